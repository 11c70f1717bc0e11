//! Timing: medians, turns, and what a process cost.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// What a finished process cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// From start to exit.
    pub wall_s: f64,
    /// User and system time, its children included.
    pub cpu_s: f64,
    /// The most memory that it held at a time.
    pub peak_bytes: u64,
}

/// Runs a command to its end and says what it cost. A failure is an error.
pub fn cost_of(command: &mut Command) -> anyhow::Result<Cost> {
    let start = Instant::now();
    let child = command.spawn().with_context(|| format!("failed to start {command:?}"))?;
    let (status, cpu_s, peak_bytes) = wait4(child.id())?;
    if status != 0 {
        bail!("failed to measure {command:?}: it ended with status {status}");
    }
    Ok(Cost { wall_s: start.elapsed().as_secs_f64(), cpu_s, peak_bytes })
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Measures `a` and `b` in turn, `times` times each, and gives the medians.
pub fn in_turn(
    times: usize,
    mut a: impl FnMut() -> anyhow::Result<f64>,
    mut b: impl FnMut() -> anyhow::Result<f64>,
) -> anyhow::Result<(f64, f64)> {
    let [a, b] = all_in_turn(times, [&mut a, &mut b])?;
    Ok((a, b))
}

/// The same for any number of measurements.
pub fn all_in_turn<const N: usize>(
    times: usize,
    mut measurements: [&mut dyn FnMut() -> anyhow::Result<f64>; N],
) -> anyhow::Result<[f64; N]> {
    let mut seen = [const { Vec::new() }; N];
    for _ in 0..times {
        for (measure, seen) in measurements.iter_mut().zip(&mut seen) {
            seen.push(measure()?);
        }
    }
    Ok(seen.map(median))
}

/// Milliseconds, for people.
pub fn ms(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1e3)
}

/// Reaps a child and reads its resource usage, which std does not tell.
fn wait4(pid: u32) -> anyhow::Result<(i32, f64, u64)> {
    let mut status = 0;
    // SAFETY: all-zero is a valid `rusage`; both pointers are to live values of the right type.
    let (reaped, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(pid as libc::pid_t, &mut status, 0, &mut usage), usage)
    };
    if reaped < 0 {
        bail!("failed to wait for process {pid}: {}", std::io::Error::last_os_error());
    }
    let seconds = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000).as_secs_f64();
    Ok((status, seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss as u64 * 1024))
}
