//! A gzip file, which is one compressed stream or several, and may be padded with zeros.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The bytes of all members of a gzip file. Zeros after a member are passed over, as Python does: tapes and devices of
/// whole blocks pad with them. Anything else that is no member is an error.
pub(crate) struct Members<R> {
    /// `None` at the end.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    pub(crate) fn new(file: R) -> Members<R> {
        Members { member: Some(GzDecoder::new(file)) }
    }

    /// Goes on to the member that comes next, if there is one.
    fn go_on(&mut self) -> io::Result<()> {
        let Some(member) = self.member.take() else { return Ok(()) };
        let mut rest = member.into_inner();
        loop {
            let bytes = match rest.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            let length = bytes.len();
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            rest.consume(zeros);
            match length - zeros {
                0 if length > 0 => {}
                0 => return Ok(()),
                _ => {
                    self.member = Some(GzDecoder::new(rest));
                    return Ok(());
                }
            }
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(space)?;
            if count > 0 || space.is_empty() {
                return Ok(count);
            }
            self.go_on()?;
        }
        Ok(0)
    }
}
