//! `lab export-image`: the export's image that the lab would use, for scripts that carry it to machines which reach no
//! package mirror to build it from.

use crate::cli;
use crate::console::{Console, Form};
use crate::docker::Docker;
use crate::export;
use crate::failure::{Exit, Result};
use crate::images::BASE;

/// Runs the command.
///
/// # Errors
/// When its base cannot be had, or it cannot be built.
pub fn run(arguments: &cli::Base, console: &Console) -> Result<Exit> {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        event: &'static str,
        image: &'a str,
        base: &'a str,
    }
    let docker = Docker::find(None)?;
    let base = arguments.base_image.as_deref().unwrap_or(BASE.reference);
    if docker.image_id(base)?.is_none() {
        docker.pull(base)?;
    }
    let image = export::image(&docker, base)?;
    if console.form() == Form::Json {
        console.json(&Line { event: "export-image", image: &image, base });
    } else {
        console.raw(&format!("{image}\n"));
    }
    Ok(Exit::Green)
}
