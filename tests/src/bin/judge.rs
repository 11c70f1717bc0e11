//! `judge RECORD`: hears the judges on a run record, prints the verdict, and writes it to `verdict.json`.
//!
//! Exit codes: 0 green, 6 red, 2 usage or a directory that is no record.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use lab::record::Verdict;
use tests::evidence::Evidence;
use tests::{console, judges};

const USAGE: &str = "\
usage: judge RECORD [--quiet | --json]

Hears every judge on the run record in the directory RECORD and writes RECORD/verdict.json.

  --quiet   print the verdict's last line alone
  --json    print verdict.json on standard output, and nothing else
  --rules   print what each judge asks for

exit codes: 0 green, 2 usage or no record, 6 red
";
const GREEN: u8 = 0;
const USAGE_OR_NO_RECORD: u8 = 2;
const RED: u8 = 6;

fn main() -> ExitCode {
    let code = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(Arguments::Help) => print(USAGE).map(|()| GREEN),
        Ok(Arguments::Rules) => print(&rules()).map(|()| GREEN),
        Ok(Arguments::Judge { record, show }) => judge(&record, &show),
        Err(error) => Err(error),
    };
    ExitCode::from(code.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        USAGE_OR_NO_RECORD
    }))
}

fn judge(dir: &Path, show: &Show) -> anyhow::Result<u8> {
    let evidence = Evidence::read(dir).map_err(|error| {
        let remedy = "name the directory of a run, e.g. one below target/lab/runs/";
        anyhow!("failed to open `{}` as a run record: {error}\nremedy: {remedy}", dir.display())
    })?;
    let verdict = judges::verdict(&evidence);
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match show {
        Show::Everything => eprint!("{}", console::render(&verdict, dir, colours)),
        Show::LastLine => eprint!("{}", console::summary(&verdict, colours)),
        Show::Json => print(&json(&verdict)?)?,
    }
    // Whoever judges a record that cannot be written to still wants to know.
    if let Err(error) = evidence.record.set_verdict(&verdict) {
        eprintln!("warning: failed to write `{}`: {error}", dir.join("verdict.json").display());
        eprintln!("remedy: to keep the verdict, judge a copy of the record that can be written to");
    }
    Ok(if verdict.green { GREEN } else { RED })
}

enum Arguments {
    Help,
    Rules,
    Judge { record: PathBuf, show: Show },
}

enum Show {
    Everything,
    LastLine,
    Json,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Self> {
        let (mut record, mut show) = (None, Show::Everything);
        for argument in arguments {
            match argument.to_string_lossy().as_ref() {
                "--help" | "-h" => return Ok(Self::Help),
                "--rules" => return Ok(Self::Rules),
                "--quiet" | "-q" => show = Show::LastLine,
                "--json" => show = Show::Json,
                option if option.starts_with('-') => bail!("failed to understand `{option}`\n\n{USAGE}"),
                _ if record.is_some() => {
                    bail!("failed to judge more than one record at a time: `{}`\n\n{USAGE}", argument.display())
                }
                _ => record = Some(PathBuf::from(argument)),
            }
        }
        record
            .map(|record| Self::Judge { record, show })
            .with_context(|| format!("failed to find the record's directory among the arguments\n\n{USAGE}"))
    }
}

fn rules() -> String {
    judges::JUDGES.iter().map(|judge| format!("{:>12} {}\n", judge.name, judge.rule)).collect()
}

fn json(verdict: &Verdict) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(verdict)? + "\n")
}

/// A reader that has gone away is no error of ours.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
