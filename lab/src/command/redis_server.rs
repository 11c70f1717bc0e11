//! `lab redis-server`: the server that the lab would use, for scripts and tests that want the same one.

use crate::cli;
use crate::console::Console;
use crate::failure::{Exit, Result};
use crate::places::Places;
use crate::redis_server::{self, Fetch};

/// Runs the command.
///
/// # Errors
/// When there is none.
pub fn run(arguments: &cli::Redis, console: &Console) -> Result<Exit> {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        event: &'static str,
        path: String,
        version: &'a str,
        origin: &'static str,
    }
    let places = Places::find(None)?;
    let redis = redis_server::find(arguments.redis_server.as_deref(), &places.cache, Fetch::Allowed, console)?;
    let path = redis.path.display().to_string();
    if console.form() == crate::console::Form::Json {
        console.json(&Line { event: "redis-server", path, version: &redis.version, origin: redis.origin });
    } else {
        console.raw(&format!("{path}\n"));
    }
    Ok(Exit::Green)
}
