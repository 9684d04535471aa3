//! Files that only their owner may read: tokens, keys, certificates and the folders they are in.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use net::identity::Secret;

/// A file or folder of secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The system says no.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// There is no such folder, and none can be made.
    #[error("cannot make the folder `{}`: {source}; name another with --state", path.display())]
    Folder { path: PathBuf, source: io::Error },
    /// Others may read it.
    #[error("`{}` can be read by others (its mode is {mode:o}); take that away with `chmod {cure} {}`", path.display(), path.display())]
    Open { path: PathBuf, mode: u32, cure: &'static str },
    /// It belongs to somebody else, who can change it at will.
    #[error("`{}` belongs to another user (uid {owner}); use a folder of your own", path.display())]
    Foreign { path: PathBuf, owner: u32 },
    /// It is none.
    #[error("`{}` {what}", path.display())]
    Content { path: PathBuf, what: &'static str },
}

fn cannot(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SecretError {
    let path = path.to_owned();
    move |source| SecretError::Io { doing, path, source }
}

/// Reads a token from the file at `path`: one line of text. A pipe or terminal is taken as it is.
///
/// # Errors
/// When it cannot be read, everybody may read it, or it is no token.
pub(crate) fn read_token(path: &Path) -> Result<Secret, SecretError> {
    let file = File::open(path).map_err(cannot("read", path))?;
    let kind = file.metadata().map_err(cannot("read", path))?;
    // A group is let in on purpose: that is how services are handed their secrets.
    if kind.is_file() && kind.mode() & 0o007 != 0 {
        let mode = kind.mode() & 0o7777;
        return Err(SecretError::Open { path: path.to_owned(), mode, cure: "600" });
    }
    token_from(file, path)
}

/// Reads one token from `source`, which is called `name`: the first line, so that a writer may keep it open.
///
/// # Errors
/// When it cannot be read or is no token.
#[expect(clippy::unbuffered_bytes, reason = "what follows the line is not ours to take; a token is short")]
pub(crate) fn token_from(source: impl Read, name: &Path) -> Result<Secret, SecretError> {
    let mut text = Vec::new();
    for byte in source.take(MOST_TOKEN_BYTES).bytes() {
        match byte.map_err(cannot("read", name))? {
            b'\n' if text.is_empty() => {}
            b'\n' => break,
            byte => text.push(byte),
        }
    }
    let text = String::from_utf8(text).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SecretError::Content { path: name.to_owned(), what: "holds no token: one line of text" });
    }
    Ok(Secret::new(text))
}

/// Makes the folder at `path` with those above it, for its owner only, or checks that it is such a one.
///
/// # Errors
/// When it cannot be made, others may look into it, or it is somebody else's.
pub(crate) fn private_folder(path: &Path) -> Result<(), SecretError> {
    let folder = |source| SecretError::Folder { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(folder)?;
    let folder = fs::metadata(path).map_err(cannot("read", path))?;
    if folder.uid() != rustix::process::geteuid().as_raw() {
        return Err(SecretError::Foreign { path: path.to_owned(), owner: folder.uid() });
    }
    if folder.mode() & 0o077 != 0 {
        let mode = folder.mode() & 0o7777;
        return Err(SecretError::Open { path: path.to_owned(), mode, cure: "700" });
    }
    Ok(())
}

/// Writes a file that only its owner may read, in place of the one that was there: it is never seen half.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), SecretError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let _ = fs::remove_file(&temporary);
    let written = create_private(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(cannot("write", path))?;
    fs::rename(&temporary, path).map_err(cannot("write", path))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(cannot("sync the folder of", path))
}

/// Writes a new file that only its owner may read.
///
/// # Errors
/// When it is there already or cannot be written.
pub(crate) fn create(path: &Path, content: &str) -> Result<(), SecretError> {
    let written = create_private(path).and_then(|mut file| {
        file.write_all(content.as_bytes())?;
        file.sync_all()
    });
    written.map_err(cannot("write the new file", path))
}

fn create_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // A umask only takes away; one that takes from the owner too would make a key that nobody can read.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Opens the file at `path`, made where there is none, to be locked.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn lock_file(path: &Path) -> Result<File, SecretError> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    file.map_err(cannot("open", path))
}

/// What is in the file at `path`, which only its owner may read; `None` when there is no such file.
///
/// # Errors
/// When it cannot be read or others may read it.
pub(crate) fn read_private(path: &Path) -> Result<Option<Vec<u8>>, SecretError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot("read", path)(error)),
    };
    let mode = file.metadata().map_err(cannot("read", path))?.mode();
    if mode & 0o077 != 0 {
        return Err(SecretError::Open { path: path.to_owned(), mode: mode & 0o7777, cure: "600" });
    }
    let mut bytes = Vec::new();
    file.take(MOST_STATE_BYTES).read_to_end(&mut bytes).map_err(cannot("read", path))?;
    Ok(Some(bytes))
}

/// Reads a certificate, which is no secret.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read_certificate(path: &Path) -> Result<Vec<u8>, SecretError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot("read", path))?;
    file.take(MOST_STATE_BYTES).read_to_end(&mut bytes).map_err(cannot("read", path))?;
    Ok(bytes)
}

/// Far above the longest token.
const MOST_TOKEN_BYTES: u64 = 4_096;
/// Far above the largest of our own files, and of anybody's certificates.
const MOST_STATE_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests;
