//! Namespaces of a process's own: what stands in for a container where there is none.

use std::process::Command;

/// `unshare` with the options that make namespaces of these kinds here: beside a user of their own, which takes no
/// privileges, or with those of root; or the reason why neither works.
pub fn unshare(kinds: &str) -> Result<Command, String> {
    let mut reason = String::new();
    for options in [format!("-Ur{kinds}"), format!("-{kinds}")] {
        let probe = Command::new("unshare").args([&options, "true"]).output();
        let Ok(output) = probe else { return Err("there is no `unshare` here".into()) };
        if output.status.success() {
            let mut command = Command::new("unshare");
            command.arg(options);
            return Ok(command);
        }
        reason = String::from_utf8_lossy(&output.stderr).trim().into();
    }
    Err(format!("no namespace can be made here: {reason}"))
}
