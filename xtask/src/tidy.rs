//! `cargo xtask tidy`: the house rules that no compiler checks. All findings are listed, then it fails.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::build;

/// A file longer than this is missing a room.
const LINES_MAX: usize = 500;

/// Reads every file that git knows and lists what breaks a rule.
pub fn run() -> Result<ExitCode, String> {
    let mut findings = Vec::new();
    for path in tracked_files()? {
        // Binary files and what a tool writes have no style.
        let Ok(text) = std::fs::read_to_string(build::root().join(&path)) else { continue };
        let is_made = path == "Cargo.lock" || path.ends_with(".snap") || path.ends_with(".json");
        if is_made || path.starts_with("golden/records/") {
            continue;
        }
        check_text(&path, &text, &mut findings);
        if path.ends_with(".rs") {
            check_rust(&path, &text, &mut findings);
        }
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("error: {} places break a house rule; CONTRIBUTING.md explains them", findings.len());
    Ok(ExitCode::FAILURE)
}

fn check_text(path: &str, text: &str, findings: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        if line.ends_with([' ', '\t']) {
            findings.push(format!("{path}:{}: a line ends in white space", number + 1));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(format!("{path}: the last line has no end"));
    }
}

fn check_rust(path: &str, text: &str, findings: &mut Vec<String>) {
    let first = text.lines().find(|line| !line.starts_with("#!["));
    if !first.is_some_and(|line| line.starts_with("//! ")) {
        findings.push(format!("{path}: opens without a `//!` comment that says what the file is for"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        findings.push(format!("{path}: {lines} lines, more than {LINES_MAX}: a room is missing"));
    }
    for (number, line) in text.lines().enumerate() {
        let code = line.trim_start();
        if code.starts_with("#[ignore") || code.starts_with("#[should_panic") {
            findings.push(format!("{path}:{}: a test neither hides nor passes by a panic", number + 1));
        }
    }
}

fn tracked_files() -> Result<Vec<String>, String> {
    let git = Command::new("git").args(["ls-files", "--cached"]).current_dir(build::root()).output();
    let output = git.map_err(|error| format!("failed to start git: {error}"))?;
    if !output.status.success() {
        return Err("failed to list the files: `git ls-files` wants a git checkout".into());
    }
    let files = String::from_utf8_lossy(&output.stdout);
    let exists = |path: &&str| Path::new(&build::root().join(path)).is_file();
    Ok(files.lines().filter(exists).map(str::to_owned).collect())
}
