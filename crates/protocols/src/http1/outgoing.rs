//! The bytes that one engine thread sends: the shared images, and its own copies of those with a hole.

use engine::CallId;
use metrics::TraceParent;
use plan::RequestId;

use super::Request;
use super::exchange::Exchange;
use super::link::Link;
use crate::image::Image;
use crate::transport::Stream;

/// The thread's own copies of the images with trace headers, and what is to be told with each request under way.
///
/// An image is as likely wanted for one connection as for the next while the first has written only part of it, so the
/// hole is filled in again before every write that is for another parent than the last one: no copy per request, and no
/// mixing.
pub(super) struct Outgoing {
    /// By request.
    traced: Box<[Option<Image>]>,
    /// By call: the span of its request, if the target is told; beside the exchange, so that one of which nothing is told
    /// stays small.
    parents: Vec<Option<TraceParent>>,
}

impl Outgoing {
    /// Takes the copies.
    pub(super) fn new(requests: &[Request]) -> Self {
        Self { traced: requests.iter().map(|request| request.traced.clone()).collect(), parents: Vec::new() }
    }

    /// Keeps what the target is to be told with the request that `call` starts; whether it is told anything.
    ///
    /// # Cost
    /// A branch without a parent.
    #[inline]
    pub(super) fn tell(&mut self, call: CallId, request: RequestId, parent: Option<&TraceParent>) -> bool {
        parent.is_some_and(|parent| self.keep(call, request, parent))
    }

    #[inline(never)]
    fn keep(&mut self, call: CallId, request: RequestId, parent: &TraceParent) -> bool {
        let place = call.0 as usize;
        if place >= self.parents.len() {
            self.parents.resize(place + 1, None);
        }
        self.parents[place] = Some(*parent);
        self.traced[request.index()].is_some()
    }

    /// Writes of the request of `exchange`, which is `prepared`, what there is room for.
    ///
    /// # Cost
    /// A branch where nothing is told, else see [`Image::for_parent`]; then that of [`Exchange::send`].
    #[inline(always)]
    pub(super) fn send<S: Stream>(
        &mut self,
        prepared: &Request,
        exchange: &mut Exchange,
        link: &mut Link<S>,
    ) {
        let image =
            if exchange.told { self.traced_bytes(prepared, exchange) } else { prepared.image.bytes() };
        exchange.send(link, image);
    }

    /// The same for what was not written when the request started, which is rare.
    #[cold]
    #[inline(never)]
    pub(super) fn send_rest<S: Stream>(
        &mut self,
        prepared: &Request,
        exchange: &mut Exchange,
        link: &mut Link<S>,
    ) {
        self.send(prepared, exchange, link);
    }

    #[inline(never)]
    fn traced_bytes<'a>(&'a mut self, prepared: &'a Request, exchange: &Exchange) -> &'a [u8] {
        let parent = self.parents[exchange.call.0 as usize].as_ref();
        match self.traced[exchange.request.index()].as_mut().zip(parent) {
            Some((image, parent)) => image.for_parent(parent),
            None => prepared.image.bytes(),
        }
    }
}
