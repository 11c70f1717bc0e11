//! `data generate`: the tutorial's datasets, made here.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use transactions::simulator::{self, Dataset, Parameters};

use crate::console;

/// Make the tutorial's datasets: `training/DATE.pkl` for each day, and `testing/test_dataset.pkl`.
///
/// They are the first days of the Fraud Detection Handbook's 183 from 2018-04-01 on. Every day is the same however
/// many are asked for. Files that are there are replaced, others are left alone, but for the temporary files of a run
/// that was killed.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many days to train on, from 1 to 182; the day after them is the one to test on. The tutorial has 4.
    #[arg(long, value_name = "N", value_parser = training_days)]
    days: u32,
    /// Which directory to write to; it is made where it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Which world to simulate, from 0 to 65535. 0 is the handbook's and the tutorial's.
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u16,
    /// Say nothing but errors.
    #[arg(short, long)]
    quiet: bool,
    /// Print what was written as one JSON object: out, seed, rows, bytes, seconds, files [{file, date, rows, bytes}].
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Generated<'a> {
    out: &'a Path,
    seed: u16,
    rows: usize,
    bytes: u64,
    seconds: f64,
    files: Vec<File<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    file: &'a Path,
    date: String,
    rows: usize,
    bytes: u64,
}

/// Generates.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let start = Instant::now();
    let silent = arguments.quiet || arguments.json;
    let parameters = Parameters { days: arguments.days + 1, seed: arguments.seed, ..Parameters::default() };
    let simulation = simulator::simulate(&parameters)?;
    let bar = console::bar("Writing", simulation.len() as u64, silent);
    let written = simulation.write_datasets(&arguments.out, |_| bar.inc(1));
    bar.finish_and_clear();
    let datasets = written?;
    let generated = generated(arguments, &datasets, start.elapsed().as_secs_f64());
    if arguments.json {
        console::print(&(serde_json::to_string(&generated)? + "\n"))?;
    } else if !silent {
        console::say("Generated", &summary(&generated, arguments.days));
    }
    Ok(ExitCode::SUCCESS)
}

fn generated<'a>(arguments: &'a Arguments, datasets: &'a [Dataset], seconds: f64) -> Generated<'a> {
    let file = |dataset: &'a Dataset| File {
        file: &dataset.path,
        date: dataset.date.to_string(),
        rows: dataset.rows,
        bytes: dataset.size_bytes,
    };
    let files: Vec<_> = datasets.iter().map(file).collect();
    Generated {
        out: &arguments.out,
        seed: arguments.seed,
        rows: files.iter().map(|file| file.rows).sum(),
        bytes: files.iter().map(|file| file.bytes).sum(),
        seconds,
        files,
    }
}

fn summary(generated: &Generated<'_>, days: u32) -> String {
    let plural = if days == 1 { "" } else { "s" };
    let Generated { out, seed, rows, bytes, seconds, .. } = generated;
    let megabytes = *bytes as f64 / 1e6;
    let out = out.display();
    format!(
        "{days} day{plural} and a test day, seed {seed}: {rows} rows, {megabytes:.1} MB in `{out}` in {seconds:.2}s"
    )
}

fn training_days(text: &str) -> Result<u32, String> {
    let most = Parameters::default().run_days - 1;
    match text.parse() {
        Ok(days) if (1..=most).contains(&days) => Ok(days),
        Ok(_) => Err(format!("it goes from 1 to {most}, for the run has {} days and one is tested on", most + 1)),
        Err(_) => Err("it is no number of days".into()),
    }
}
