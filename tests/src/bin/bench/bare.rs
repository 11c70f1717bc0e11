//! The floor under reading a table: what this machine takes to bring a file's bytes to memory that is there already, and
//! to sum them. It knows nothing of columns, and nobody who reads a file without mapping it does less.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use rustix::mm::{Advice, madvise};

use crate::data::READINGS;
use crate::measure::median;

/// The hidden command by which this program measures it in a process of its own.
pub const READ: &str = "bare-read-in-turn";

/// The kernel copies at full speed to where a byte has the same place in a page as in the file.
const PAGE_BYTES: usize = 4 << 10;

/// Reads and sums several times, and prints the median of the seconds but for the first, in which the memory is made,
/// and the sum.
pub fn read_in_turn(file: &Path) -> anyhow::Result<()> {
    let size_bytes = std::fs::metadata(file).with_context(|| format!("failed to find `{}`", file.display()))?.len();
    let size_bytes = usize::try_from(size_bytes)?;
    let mut space = vec![0_u8; size_bytes + PAGE_BYTES];
    let start = space.as_ptr().align_offset(PAGE_BYTES);
    let space = &mut space[start..][..size_bytes];
    // In huge pages, as numpy's columns and ours are. A kernel that has none takes the small ones.
    // SAFETY: the range is this function's own, and the advice changes no contents.
    let _ = unsafe { madvise(space.as_mut_ptr().cast(), size_bytes, Advice::LinuxHugepage) };
    let (mut seconds, mut total) = (Vec::new(), 0);
    for _ in 0..READINGS {
        let start = Instant::now();
        File::open(file)?.read_exact(space)?;
        total = sum(space);
        seconds.push(start.elapsed().as_secs_f64());
    }
    println!("{} {total}", median(seconds.split_off(1)));
    Ok(())
}

/// Of all words, in four lanes, so that the additions do not wait for each other.
fn sum(bytes: &[u8]) -> i64 {
    let (words, _) = bytes.as_chunks::<8>();
    let (fours, _) = words.as_chunks::<4>();
    let mut lanes = [0_i64; 4];
    for four in fours {
        for (lane, word) in lanes.iter_mut().zip(four) {
            *lane = lane.wrapping_add(i64::from_le_bytes(*word));
        }
    }
    lanes.into_iter().fold(0, i64::wrapping_add)
}
