//! Reads a table and sums every value of it, and says how long both took: what the benchmark calls.
//!
//! `read_sum FILE [ROUNDS]` prints a line of JSON for each round; the first is that of a fresh process.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use transactions::{Values, read};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: read_sum FILE [ROUNDS]")?;
    let rounds: u32 = arguments.next().map_or(Ok(1), |rounds| rounds.parse())?;
    for _ in 0..rounds {
        let start = Instant::now();
        let cpu_start_s = cpu_s()?;
        let table = read(Path::new(&path))?;
        let read_s = start.elapsed().as_secs_f64();
        let mut ints = 0_i64;
        let mut floats = 0.0;
        for column in table.columns() {
            match column.values() {
                Values::Int(values) => ints = values.iter().fold(ints, |sum, value| sum.wrapping_add(*value)),
                Values::Float(values) => floats += sum(values),
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let cpu_s = cpu_s()? - cpu_start_s;
        let rows = table.rows();
        println!(
            "{{\"rows\": {rows}, \"seconds\": {seconds:.6}, \"read_s\": {read_s:.6}, \"cpu_s\": {cpu_s:.6}, \"int_sum\": {ints}, \"float_sum\": {floats:?}}}"
        );
    }
    Ok(())
}

/// What this process has had of a processor so far: unlike the time that went by, it does not count who else was there.
fn cpu_s() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let ns: f64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(ns / 1e9)
}

/// Sums in eight lanes, as numpy does, so that the additions do not wait for each other.
fn sum(values: &[f64]) -> f64 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().sum::<f64>()
}
