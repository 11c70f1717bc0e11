//! XDR (RFC 4506), as much of it as a few calls of NFS need: numbers, opaque data, strings.

/// Writes values one after the other.
#[derive(Debug, Default)]
pub(super) struct Encoder(pub Vec<u8>);

/// Reads them again; a value that is not there, or is longer than what is left, is `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decoder<'a>(pub &'a [u8]);

impl Encoder {
    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// Opaque data of any length, and strings: the length, the bytes, zeros up to a multiple of four.
    pub fn opaque(self, bytes: &[u8]) -> Self {
        let mut this = self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        this.0.extend(bytes);
        this.0.resize(this.0.len().next_multiple_of(4), 0);
        this
    }

    /// What is encoded already.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }
}

impl<'a> Decoder<'a> {
    pub fn u32(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*head))
    }

    pub fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    pub fn opaque(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let bytes = self.bytes(length)?;
        self.bytes(length.next_multiple_of(4) - length)?;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written is read again, and data is padded as the standard has it.
    #[test]
    fn values_come_back() {
        let bytes = Encoder::default().u32(7).opaque(b"abcde").u64(1 << 40).opaque(b"").0;
        assert_eq!(bytes, b"\0\0\0\x07\0\0\0\x05abcde\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0");
        let mut decoder = Decoder(&bytes);
        assert_eq!((decoder.u32(), decoder.opaque()), (Some(7), Some(&b"abcde"[..])));
        assert_eq!(decoder.u32(), Some(0x100), "what comes next begins behind the padding");
    }

    /// A length that the message does not have is no reason to panic, however large.
    #[test]
    fn a_length_that_lies_is_refused() {
        for lie in [6, 0xffff_fffe, u32::MAX] {
            let bytes = Encoder::default().u32(lie).raw(b"abcde").0;
            assert_eq!(Decoder(&bytes).opaque(), None, "{lie}");
        }
        assert_eq!(Decoder(b"\0\0").u32(), None);
    }
}
