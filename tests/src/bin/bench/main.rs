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
#[derive(serde::Serialize)]
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
#[derive(serde::Serialize)]
pub struct Promise {
    /// As it would be written: `>= 20x`.
    pub bound: String,
    /// What was seen, in the same unit; absent if it could not be measured.
    pub seen: Option<f64>,
    /// Whether it is kept; absent if nothing is promised, or it could not be measured.
    pub kept: Option<bool>,
    /// There is a bound.
    #[serde(skip)]
    is_promise: bool,
}

impl Promise {
    /// `seen` must be at least `floor`.
    pub fn at_least(floor: f64, unit: &str, seen: Option<f64>) -> Self {
        Self { bound: format!(">= {floor}{unit}"), seen, kept: seen.map(|seen| seen >= floor), is_promise: true }
    }

    /// Nothing was promised of `seen`; it is there for comparison.
    pub fn none(unit: &str, seen: Option<f64>) -> Self {
        Self { bound: format!("nothing ({unit})"), seen, kept: None, is_promise: false }
    }

    /// `seen` must be at most `ceiling`.
    pub fn at_most(ceiling: f64, unit: &str, seen: Option<f64>) -> Self {
        Self { bound: format!("<= {ceiling}{unit}"), seen, kept: seen.map(|seen| seen <= ceiling), is_promise: true }
    }
}

/// What the command line asks for.
pub struct Options {
    /// Only benchmarks whose name holds this.
    pub filter: Option<String>,
    /// A program that keeps the worker's contract: the Python original, say.
    pub peer_cmd: Option<String>,
    /// A broken promise is an error, and so is one that could not be measured.
    pub check: bool,
    /// A line of JSON for each row instead of the table.
    pub json: bool,
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

/// Takes minutes, so it is run by its name alone.
const CLONE: (&str, Benchmark) = ("clone", flow::fresh_clone);

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
    if !options.json {
        println!("| what | ours | peer | promised | seen | |\n|---|---|---|---|---|---|");
    }
    for (_, benchmark) in chosen(options)? {
        // What builds and earlier benchmarks left to be written would delay what this one writes and waits for.
        rustix::fs::sync();
        for row in benchmark(options)? {
            println!("{}", if options.json { serde_json::to_string(&row)? } else { line(&row) });
            kept &= row.promise.kept.unwrap_or(!row.promise.is_promise);
        }
    }
    Ok(kept || !options.check)
}

fn chosen(options: &Options) -> anyhow::Result<Vec<(&'static str, Benchmark)>> {
    if options.kind {
        return Ok(vec![("kind", kind::lab)]);
    }
    let Some(filter) = options.filter.as_deref() else { return Ok(BENCHMARKS.to_vec()) };
    if filter == CLONE.0 {
        return Ok(vec![CLONE]);
    }
    let chosen: Vec<_> = BENCHMARKS.into_iter().filter(|(name, _)| name.contains(filter)).collect();
    anyhow::ensure!(!chosen.is_empty(), "no benchmark's name holds `{filter}`\n\n{HELP}");
    Ok(chosen)
}

fn line(Row { what, ours, peer, promise }: &Row) -> String {
    let seen = promise.seen.map_or("not measured".into(), |seen| format!("{seen:.2}"));
    let verdict = promise.kept.map_or("", |kept| if kept { "kept" } else { "BROKEN" });
    format!("| {what} | {ours} | {peer} | {} | {seen} | {verdict} |", promise.bound)
}

fn parse(arguments: &[String]) -> anyhow::Result<Option<Options>> {
    let mut options = Options { filter: None, peer_cmd: None, check: false, json: false, kind: false };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "-h" | "--help" => {
                println!("{HELP}");
                return Ok(None);
            }
            "--check" => options.check = true,
            "--json" => options.json = true,
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

const HELP: &str = "Usage: cargo xtask bench [NAME] [--target local|kind] [--peer-cmd CMD] [--check] [--json]

  NAME            only the benchmarks whose name holds NAME: read, simulate, worker, claim, queue, e2e; or clone, which
                  takes minutes and is run by its name alone: a fresh clone, built, to its first verdict
  --target kind   a lab on kind instead, beside the bare cluster
  --peer-cmd CMD  a program that keeps the worker's contract, measured beside ours: the Python original, say
  --check         exit with 1 if a promise is broken, or could not be measured
  --json          a line of JSON for each row";
