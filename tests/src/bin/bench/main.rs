//! `cargo xtask bench`: the figures that the project promises, each measured beside its peer in the same run.
//!
//! These machines are noisy, so ours and the peer take turns and their medians are compared.

mod bare;
mod data;
mod flow;
mod kind;
mod measure;
mod queue;
mod worker;

use std::process::ExitCode;

use anyhow::bail;

/// One line of the table.
pub struct Row {
    /// What was measured.
    pub what: &'static str,
    /// Our figure, with its unit.
    pub ours: String,
    /// The peer and its figure, or why there is none.
    pub peer: String,
    /// What was promised, and the figure that is held against it.
    pub promise: Promise,
}

/// A bound and what was seen.
pub struct Promise {
    /// As it would be written: `>= 20x`.
    pub bound: String,
    /// What was seen, in the same unit; absent if it could not be measured.
    pub seen: Option<f64>,
    /// Whether it is kept.
    pub kept: Option<bool>,
}

impl Promise {
    /// `seen` must be at least `floor`.
    pub fn at_least(floor: f64, unit: &str, seen: Option<f64>) -> Self {
        Self { bound: format!(">= {floor}{unit}"), seen, kept: seen.map(|seen| seen >= floor) }
    }

    /// Nothing was promised of `seen`; it is there for comparison.
    pub fn none(unit: &str, seen: Option<f64>) -> Self {
        Self { bound: format!("nothing ({unit})"), seen, kept: None }
    }

    /// `seen` must be at most `ceiling`.
    pub fn at_most(ceiling: f64, unit: &str, seen: Option<f64>) -> Self {
        Self { bound: format!("<= {ceiling}{unit}"), seen, kept: seen.map(|seen| seen <= ceiling) }
    }
}

/// What the command line asks for.
pub struct Options {
    /// Only benchmarks whose name holds this.
    pub filter: Option<String>,
    /// A program that keeps the worker's contract: the Python original, say.
    pub peer_cmd: Option<String>,
    /// A broken promise is an error.
    pub check: bool,
    /// The benchmarks of a lab on kind, in place of all others.
    pub kind: bool,
}

type Benchmark = fn(&Options) -> anyhow::Result<Vec<Row>>;

const BENCHMARKS: [(&str, Benchmark); 6] = [
    ("worker", worker::four_days),
    ("claim", worker::claimed_again),
    ("queue", queue::claimants),
    ("e2e", flow::local),
    // Last: they take more than a gigabyte, and the peak of a process that is started afterwards begins with its parent's.
    ("read", data::read),
    ("simulate", data::simulate),
];

fn main() -> ExitCode {
    // Started by the benchmarks themselves, so that the readings have a process of their own, as the peer's have.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, file] = arguments.as_slice() {
        match command.as_str() {
            data::READ => return finish(data::read_in_turn(file.as_ref()).map(|()| true)),
            bare::READ => return finish(bare::read_in_turn(file.as_ref()).map(|()| true)),
            _ => {}
        }
    }
    finish(parse(&arguments).and_then(|options| options.map_or(Ok(true), |options| run(&options))))
}

fn run(options: &Options) -> anyhow::Result<bool> {
    let mut kept = true;
    println!("| what | ours | peer | promised | seen | |\n|---|---|---|---|---|---|");
    let wanted = |name: &str| options.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
    let chosen: &[(&str, Benchmark)] = if options.kind { &[("kind", kind::lab)] } else { &BENCHMARKS };
    for (_, benchmark) in chosen.iter().filter(|(name, _)| wanted(name)) {
        for Row { what, ours, peer, promise } in benchmark(options)? {
            let seen = promise.seen.map_or("not measured".into(), |seen| format!("{seen:.2}"));
            let verdict = promise.kept.map_or("", |kept| if kept { "kept" } else { "BROKEN" });
            println!("| {what} | {ours} | {peer} | {} | {seen} | {verdict} |", promise.bound);
            kept &= promise.kept.unwrap_or(true);
        }
    }
    Ok(kept || !options.check)
}

fn parse(arguments: &[String]) -> anyhow::Result<Option<Options>> {
    let mut options = Options { filter: None, peer_cmd: None, check: false, kind: false };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "-h" | "--help" => {
                println!("{HELP}");
                return Ok(None);
            }
            "--check" => options.check = true,
            "--target" => match rest.next().map(String::as_str) {
                Some("kind") => options.kind = true,
                Some("local") => options.kind = false,
                _ => bail!("`--target` is `local` or `kind`\n\n{HELP}"),
            },
            "--peer-cmd" => match rest.next() {
                Some(command) => options.peer_cmd = Some(command.clone()),
                None => bail!("`--peer-cmd` wants a command\n\n{HELP}"),
            },
            other if other.starts_with('-') => bail!("no option `{other}`\n\n{HELP}"),
            name => options.filter = Some(name.into()),
        }
    }
    Ok(Some(options))
}

fn finish(outcome: anyhow::Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

const HELP: &str = "Usage: cargo xtask bench [NAME] [--target local|kind] [--peer-cmd CMD] [--check]

  NAME            only the benchmarks whose name holds NAME: read, simulate, worker, claim, queue, e2e
  --target kind   a lab on kind instead, beside the bare cluster
  --peer-cmd CMD  a program that keeps the worker's contract, measured beside ours: the Python original, say
  --check         exit with 1 if a promise is broken";
