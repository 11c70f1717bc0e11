//! As much of ELF as tells whether a program can run alone in an image, and on which machines.
//!
//! The layout is that of the System V ABI, chapter 4 "Object Files" and chapter 5 "Program Header", for 64 bits.

use oci_spec::image::Arch;

/// What is wrong with a file as the only program of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// It is a script, a picture, a program for another system.
    #[error("it is no 64-bit program for Linux")]
    NotAProgram,
    /// A processor that the lab has no name for.
    #[error("it is for a processor that the lab does not know (ELF machine {0})")]
    UnknownMachine(u16),
    /// It is linked dynamically.
    #[error("it is not static: it wants the loader `{0}`")]
    WantsLoader(String),
}

/// `e_type` of a program, and of one that can lie anywhere.
const PROGRAM_TYPES: [u16; 2] = [2, 3];
/// `p_type` of the segment that names the dynamic loader.
const PT_INTERP: u32 = 3;
/// `e_machine` and what OCI calls it.
const MACHINES: [(u16, Arch); 2] = [(62, Arch::Amd64), (183, Arch::ARM64)];

/// The architecture of a static program, given its file.
///
/// # Errors
/// When it is no program for Linux, or needs a loader.
pub fn static_architecture(file: &[u8]) -> Result<Arch, ElfError> {
    // Magic number, 64 bits, little-endian.
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return Err(ElfError::NotAProgram);
    }
    let header = Header(file);
    if !PROGRAM_TYPES.contains(&header.u16(16)?) {
        return Err(ElfError::NotAProgram);
    }
    let machine = header.u16(18)?;
    let known = MACHINES.into_iter().find(|(number, _)| *number == machine);
    let (_, architecture) = known.ok_or(ElfError::UnknownMachine(machine))?;
    let (segments, size, count) = (header.u64(32)?, u64::from(header.u16(54)?), u64::from(header.u16(56)?));
    for number in 0..count {
        let segment = segments.checked_add(number * size).ok_or(ElfError::NotAProgram)?;
        if header.u32(segment)? == PT_INTERP {
            let at = |offset: u64| segment.checked_add(offset).ok_or(ElfError::NotAProgram);
            let loader = header.bytes(header.u64(at(8)?)?, header.u64(at(32)?)?)?;
            let loader = String::from_utf8_lossy(loader).trim_end_matches('\0').to_owned();
            return Err(ElfError::WantsLoader(loader));
        }
    }
    Ok(architecture)
}

struct Header<'a>(&'a [u8]);

impl<'a> Header<'a> {
    fn bytes(&self, offset: u64, length: u64) -> Result<&'a [u8], ElfError> {
        let place = || {
            let start = usize::try_from(offset).ok()?;
            let end = start.checked_add(usize::try_from(length).ok()?)?;
            self.0.get(start..end)
        };
        place().ok_or(ElfError::NotAProgram)
    }

    fn array<const N: usize>(&self, offset: u64) -> Result<[u8; N], ElfError> {
        let bytes = self.bytes(offset, u64::try_from(N).unwrap_or(u64::MAX))?;
        bytes.try_into().map_err(|_| ElfError::NotAProgram)
    }

    fn u16(&self, offset: u64) -> Result<u16, ElfError> {
        self.array(offset).map(u16::from_le_bytes)
    }

    fn u32(&self, offset: u64) -> Result<u32, ElfError> {
        self.array(offset).map(u32::from_le_bytes)
    }

    fn u64(&self, offset: u64) -> Result<u64, ElfError> {
        self.array(offset).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The head of a program for x86-64, with a segment for each loader that it wants.
    pub(crate) fn program(loaders: &[&[u8]]) -> Vec<u8> {
        const HEADER: usize = 64;
        const SEGMENT: usize = 56;
        let mut file = vec![0; HEADER];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[16] = 3;
        file[18] = 62;
        file[32] = u8::try_from(HEADER).unwrap();
        file[54] = u8::try_from(SEGMENT).unwrap();
        file[56] = u8::try_from(loaders.len()).unwrap();
        for loader in loaders {
            let mut segment = vec![0; SEGMENT];
            segment[0] = 3;
            segment[8] = u8::try_from(HEADER + SEGMENT * loaders.len()).unwrap();
            segment[32] = u8::try_from(loader.len()).unwrap();
            file.extend(segment);
        }
        file.extend(loaders.concat());
        file
    }

    /// The processor is read from the file, not taken from the machine that the lab runs on.
    #[test]
    fn the_architecture_is_the_programs() {
        let mut file = program(&[]);
        assert_eq!(static_architecture(&file), Ok(Arch::Amd64));
        file[18] = 183;
        assert_eq!(static_architecture(&file), Ok(Arch::ARM64));
        file[18] = 8;
        assert_eq!(static_architecture(&file), Err(ElfError::UnknownMachine(8)));
    }

    /// A file that ends anywhere, or points anywhere, gets an error and no panic.
    #[test]
    fn no_file_makes_it_panic() {
        let file = program(&[b"/lib/ld.so\0"]);
        assert_eq!(static_architecture(&file), Err(ElfError::WantsLoader("/lib/ld.so".into())));
        for end in 0..file.len() {
            assert_eq!(static_architecture(&file[..end]), Err(ElfError::NotAProgram), "{end} bytes");
        }
        for offset in 0..file.len() {
            let mut broken = file.clone();
            broken[offset] = 0xff;
            let _ = static_architecture(&broken);
            broken[offset..].fill(0xff);
            let _ = static_architecture(&broken);
        }
    }
}
