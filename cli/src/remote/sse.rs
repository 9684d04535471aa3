//! Server-sent events out of bytes, as the WHATWG's HTML standard (9.2.6) parses them.
//!
//! Pure: bytes in, events out, however the bytes are cut.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SseEvent {
    /// Its `id`, or that of an event before it.
    pub(crate) id: String,
    /// Its `event`; empty without one.
    pub(crate) kind: String,
    /// Its `data`, lines joined by line breaks.
    pub(crate) data: String,
}

/// An event is larger than any that a controller sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the controller is longer than {} bytes; is this another program?", SseParser::MAX_BYTES)]
pub(crate) struct TooLong;

/// Takes bytes as they come.
#[derive(Debug, Default)]
pub(crate) struct SseParser {
    /// The line that has begun.
    line: Vec<u8>,
    /// Whether the last byte was a carriage return, of which a line feed is the second half.
    after_return: bool,
    /// Whether a line was seen: only before the first may a byte order mark stand.
    has_begun: bool,
    /// The event that has begun.
    event: SseEvent,
    has_data: bool,
}

impl SseParser {
    /// An event and what has come of the next line may not have more bytes than this.
    pub(crate) const MAX_BYTES: usize = 4 << 20;

    /// Takes the next bytes and adds the events that are whole to `events`.
    ///
    /// # Errors
    /// When an event has no end.
    pub(crate) fn feed(&mut self, bytes: &[u8], events: &mut Vec<SseEvent>) -> Result<(), TooLong> {
        for &byte in bytes {
            let is_second_half = std::mem::replace(&mut self.after_return, byte == b'\r') && byte == b'\n';
            match byte {
                _ if is_second_half => {}
                b'\r' | b'\n' => self.end_line(events),
                _ if self.line.len() + self.event.data.len() >= Self::MAX_BYTES => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<SseEvent>) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = match text.strip_prefix('\u{FEFF}') {
            Some(rest) if !self.has_begun => rest,
            _ => &*text,
        };
        self.has_begun = true;
        if text.is_empty() {
            self.dispatch(events);
            return;
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.event.id),
            "event" => value.clone_into(&mut self.event.kind),
            // A comment has no name; fields we do not know (`retry`) are passed over.
            _ => {}
        }
    }

    fn dispatch(&mut self, events: &mut Vec<SseEvent>) {
        let id = self.event.id.clone();
        let event = std::mem::replace(&mut self.event, SseEvent { id, ..SseEvent::default() });
        if std::mem::take(&mut self.has_data) {
            events.push(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Vec<SseEvent> {
        let mut events = Vec::new();
        SseParser::default().feed(bytes, &mut events).unwrap();
        events
    }

    fn event(id: &str, kind: &str, data: &str) -> SseEvent {
        SseEvent { id: id.to_owned(), kind: kind.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn an_event_is_what_stands_before_an_empty_line() {
        assert_eq!(
            parse(b"id: 7\nevent: live\ndata: {\"a\":1}\n\n: still there\n\nid: 8\ndata\n\n"),
            [event("7", "live", "{\"a\":1}"), event("8", "", "")]
        );
        assert_eq!(parse(b"data: no end\n"), []);
        assert_eq!(parse(b"event: x\n\ndata: y\n\n"), [event("", "", "y")]);
    }

    #[test]
    fn lines_end_in_all_three_ways_and_data_has_several() {
        assert_eq!(parse(b"\xEF\xBB\xBFdata:a\rdata: b\r\ndata:  c\n\r\n"), [event("", "", "a\nb\n c")]);
    }

    #[test]
    fn an_event_without_end_is_refused_before_it_fills_the_memory() {
        let mut parser = SseParser::default();
        let block = vec![b'x'; 1 << 20];
        let mut events = Vec::new();
        let fed = (0..16).try_for_each(|_| parser.feed(&block, &mut events));
        assert_eq!(fed, Err(TooLong));
        let mut parser = SseParser::default();
        let line = [&b"data: "[..], &block[..1 << 19], b"\n"].concat();
        assert_eq!((0..16).try_for_each(|_| parser.feed(&line, &mut events)), Err(TooLong));
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_events_are_the_same(
            lines in prop::collection::vec(
                prop_oneof![
                    Just(String::new()), "data:[ -~é]{0,12}", "id: ?[0-9\0]{0,3}", "event: ?[a-z]{0,5}",
                    ":[a-z]{0,5}", "[a-z]{0,6}", Just("\u{FEFF}data: x".to_owned()),
                ],
                0..30,
            ),
            ends in prop::collection::vec(prop_oneof![Just("\n"), Just("\r"), Just("\r\n")], 30),
            cuts in prop::collection::vec(1usize..9, 1..300),
        ) {
            let text: String = lines.iter().zip(&ends).map(|(line, end)| format!("{line}{end}")).collect();
            let whole = parse(text.as_bytes());
            let (mut parser, mut events, mut rest) = (SseParser::default(), Vec::new(), text.as_bytes());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                parser.feed(now, &mut events).unwrap();
                rest = later;
            }
            prop_assert_eq!(events, whole);
        }
    }
}
