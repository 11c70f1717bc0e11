//! List the output, and keep a copy of it.

use super::error::FlowError;
use super::{Context, Phase, Step};
use crate::console::plural;
use crate::failure::Result;

pub(super) const STEP: Step = Step {
    name: "listing",
    verb: "Listing",
    phase: Phase::Evidence,
    tutorial: "kubectl exec redis-leader -- ls -1 /mnt/fileserver/output",
    run,
};

/// Where the worker leaves its results, relative to the share.
const OUTPUT: &str = "output";

fn run(context: &mut Context<'_>) -> Result<String> {
    let (site, run) = context.site_and_run()?;
    let share = site.share()?;
    let failed = |source| FlowError::Share { path: OUTPUT.into(), source };
    let listing = share.listing(OUTPUT).map_err(failed)?;
    run.record.set_text("listing.txt", listing.as_deref().unwrap_or_default())?;
    let copied = share.fetch(OUTPUT, &run.record.output_dir()).map_err(failed)?;
    let Some(listing) = listing else { return Ok(format!("there is no `{OUTPUT}` on the share")) };
    let names: Vec<_> = listing.lines().collect();
    let shown = match names.as_slice() {
        [] => "nothing".into(),
        [first, .., last] if names.len() > 2 => format!("{first} … {last}"),
        few => few.join(", "),
    };
    Ok(format!("{}: {shown}", plural(copied, "file")))
}
