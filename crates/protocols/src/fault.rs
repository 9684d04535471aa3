//! Which class of error an error of the kernel is.
//!
//! The generator's own faults (no port, no handle, no memory left) are told from what the target and the network
//! did; what the kernel should never say to us is `internal`, so that a fault of ours is never put on the target.

use std::io;

use metrics::ErrorClass;
use rustix::io::Errno;

use crate::policy::Forbidden;

/// The class of an error while opening a connection.
pub(crate) fn while_connecting(error: &io::Error) -> ErrorClass {
    match Errno::from_io_error(error) {
        // On connect, EAGAIN says that no local port is free.
        Some(Errno::AGAIN) => ErrorClass::NoLocalPort,
        // The kernel gave up on its own before our bound was reached.
        Some(Errno::TIMEDOUT) => ErrorClass::ConnectTimeout,
        Some(errno) => class_of(errno),
        None if error.get_ref().is_some_and(|inner| inner.is::<Forbidden>()) => ErrorClass::ForbiddenTarget,
        None => ErrorClass::Internal,
    }
}

/// The class of an error on an established connection.
pub(crate) fn while_open(error: &io::Error) -> ErrorClass {
    match Errno::from_io_error(error) {
        // Retransmissions went unanswered for minutes: the peer is gone without a word.
        Some(Errno::TIMEDOUT) => ErrorClass::ConnectionClosed,
        Some(errno) => class_of(errno),
        None if error.kind() == io::ErrorKind::UnexpectedEof => ErrorClass::ConnectionClosed,
        None => ErrorClass::Internal,
    }
}

fn class_of(errno: Errno) -> ErrorClass {
    match errno {
        Errno::ADDRNOTAVAIL | Errno::ADDRINUSE => ErrorClass::NoLocalPort,
        Errno::MFILE | Errno::NFILE => ErrorClass::NoFileHandle,
        Errno::NOBUFS | Errno::NOMEM => ErrorClass::NoMemory,
        Errno::CONNREFUSED => ErrorClass::ConnectRefused,
        Errno::HOSTUNREACH
        | Errno::NETUNREACH
        | Errno::HOSTDOWN
        | Errno::NETDOWN
        | Errno::NONET
        | Errno::ACCESS
        | Errno::PERM
        | Errno::AFNOSUPPORT => ErrorClass::ConnectUnreachable,
        Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED | Errno::NETRESET => ErrorClass::Reset,
        _ => ErrorClass::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn own_faults_are_told_from_the_targets() {
        let check = |errno, class| assert_eq!(while_connecting(&error(errno)), class, "{errno:?}");
        check(Errno::ADDRNOTAVAIL, ErrorClass::NoLocalPort);
        check(Errno::AGAIN, ErrorClass::NoLocalPort);
        check(Errno::MFILE, ErrorClass::NoFileHandle);
        check(Errno::NFILE, ErrorClass::NoFileHandle);
        check(Errno::NOBUFS, ErrorClass::NoMemory);
        check(Errno::NOMEM, ErrorClass::NoMemory);
        check(Errno::CONNREFUSED, ErrorClass::ConnectRefused);
        check(Errno::TIMEDOUT, ErrorClass::ConnectTimeout);
        check(Errno::HOSTUNREACH, ErrorClass::ConnectUnreachable);
        check(Errno::NETUNREACH, ErrorClass::ConnectUnreachable);
        check(Errno::CONNRESET, ErrorClass::Reset);
        check(Errno::BADF, ErrorClass::Internal);
    }

    #[test]
    fn an_open_connection_is_reset_or_closed() {
        let check = |error: io::Error, class| assert_eq!(while_open(&error), class, "{error:?}");
        check(error(Errno::CONNRESET), ErrorClass::Reset);
        check(error(Errno::PIPE), ErrorClass::Reset);
        check(error(Errno::TIMEDOUT), ErrorClass::ConnectionClosed);
        check(io::ErrorKind::UnexpectedEof.into(), ErrorClass::ConnectionClosed);
        check(io::Error::other("no errno"), ErrorClass::Internal);
    }
}
