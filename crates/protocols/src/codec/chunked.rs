//! The chunked transfer coding (RFC 9112 section 7.1): sizes, extensions and trailers are read over.

use metrics::ErrorClass;

use super::{MAX_HEAD_BYTES, Observer};

/// The longest size line of one chunk, its extensions included.
const MAX_SIZE_LINE_BYTES: usize = 16 * 1024;

/// Where in a chunked body the reader is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chunks {
    step: Step,
    /// Of the present chunk: its size while that is read, then the bytes of it still to come.
    remaining: u64,
    /// Bytes of the present size line, or of all trailers, so far.
    overhead: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    /// Before the first digit of a size.
    #[default]
    SizeStart,
    Size,
    /// Blanks between the size and what ends or extends it.
    SizeBlank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a line after the last chunk.
    LineStart,
    Trailer,
    TrailerLf,
    EndLf,
}

impl Chunks {
    /// Takes in `bytes`; how many of them belonged to the body when it is complete.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        observer: &mut impl Observer,
    ) -> Result<Option<usize>, ErrorClass> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.step == Step::Data {
                let rest = &bytes[at..];
                let length = usize::try_from(self.remaining).map_or(rest.len(), |left| left.min(rest.len()));
                observer.body(&rest[..length], false);
                at += length;
                self.remaining -= length as u64;
                if self.remaining == 0 {
                    self.step = Step::DataCr;
                }
                continue;
            }
            at += 1;
            self.count()?;
            self.step = match (self.step, byte) {
                (Step::SizeStart | Step::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    self.grow(byte)?;
                    Step::Size
                }
                (Step::Size | Step::SizeBlank, b' ' | b'\t') => Step::SizeBlank,
                (Step::Size | Step::SizeBlank, b';') => Step::Extension,
                (Step::Size | Step::SizeBlank | Step::Extension, b'\r') => Step::SizeLf,
                (Step::Extension, byte) if byte != b'\n' => Step::Extension,
                (Step::SizeLf, b'\n') => {
                    self.overhead = 0;
                    if self.remaining == 0 { Step::LineStart } else { Step::Data }
                }
                (Step::DataCr, b'\r') => Step::DataLf,
                (Step::DataLf, b'\n') => {
                    self.overhead = 0;
                    Step::SizeStart
                }
                (Step::LineStart, b'\r') => Step::EndLf,
                (Step::Trailer, b'\r') => Step::TrailerLf,
                (Step::LineStart | Step::Trailer, byte) if byte != b'\n' => Step::Trailer,
                (Step::TrailerLf, b'\n') => Step::LineStart,
                (Step::EndLf, b'\n') => {
                    observer.body(&[], true);
                    return Ok(Some(at));
                }
                _ => return Err(ErrorClass::Malformed),
            };
        }
        Ok(None)
    }

    fn count(&mut self) -> Result<(), ErrorClass> {
        self.overhead += 1;
        match self.step {
            Step::LineStart | Step::Trailer | Step::TrailerLf if self.overhead > MAX_HEAD_BYTES => {
                Err(ErrorClass::HeadTooLarge)
            }
            Step::Size | Step::SizeBlank | Step::Extension if self.overhead > MAX_SIZE_LINE_BYTES => {
                Err(ErrorClass::Malformed)
            }
            _ => Ok(()),
        }
    }

    /// Appends a hexadecimal digit to the size.
    fn grow(&mut self, digit: u8) -> Result<(), ErrorClass> {
        let digit = char::from(digit).to_digit(16).map(u64::from).ok_or(ErrorClass::Malformed)?;
        let size = self.remaining.checked_mul(16).ok_or(ErrorClass::Malformed)?;
        self.remaining = size | digit;
        Ok(())
    }
}
