//! `data inspect`: what is in a file, told without running anything of it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use transactions::inspect::{Inspection, inspect, printable};

use crate::{FAILED, console};

/// Say what is in the pickles of tables, without running anything of them.
///
/// A file that cannot be read is named with the reason on standard error; the others are shown all the same.
#[derive(clap::Args)]
pub struct Arguments {
    /// The files.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON object a line, a line for each file that could be read: file, bytes, sha256, rows, columns
    /// [{name, dtype, nulls, sha256 of the values as 8-byte little-endian words}], index {kind, first, last}, labels
    /// {label: rows}, which is null where there are none.
    #[arg(long)]
    json: bool,
}

/// Inspects.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let mut gap = "";
    for file in &arguments.files {
        match inspect(file) {
            Ok(inspection) if arguments.json => console::print(&(serde_json::to_string(&inspection)? + "\n"))?,
            Ok(inspection) => {
                console::print(&format!("{gap}{}", readable(&inspection)))?;
                gap = "\n";
            }
            Err(error) => {
                console::error(&error.into());
                code = ExitCode::from(FAILED);
            }
        }
    }
    Ok(code)
}

/// What a person wants to see, the file's name first.
fn readable(inspection: &Inspection) -> String {
    let Inspection { file, bytes, sha256, rows, columns, index, labels } = inspection;
    let label = |label: Option<i64>| label.map_or_else(|| "none".into(), |label| label.to_string());
    let mut text = format!("{file}\n");
    // Writing to a string cannot fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<8}{value}");
    };
    line("bytes", &bytes.to_string());
    line("sha256", sha256);
    line("rows", &rows.to_string());
    line("index", &format!("{}, {} to {}", index.kind, label(index.first), label(index.last)));
    if let Some(labels) = labels {
        let counts: Vec<_> = labels.iter().map(|(label, rows)| format!("{label}: {rows}")).collect();
        line("labels", &counts.join(", "));
    }
    let names: Vec<_> = columns.iter().map(|column| printable(&column.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).chain([6]).max().unwrap_or_default();
    let _ = writeln!(text, "  {:<width$}  {:<14}  {:>7}  sha256", "column", "dtype", "nulls");
    for (name, column) in names.iter().zip(columns) {
        let (dtype, nulls, sha256) = (&column.dtype, column.nulls, &column.sha256);
        let _ = writeln!(text, "  {name:<width$}  {dtype:<14}  {nulls:>7}  {sha256}");
    }
    text
}
