//! A lab on GKE, taken down; and what labs that are gone have left in the cloud, by the ledger and by their labels.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::error::GkeError;
use super::label::Tag;
use super::open_of_lab;
use super::price::in_words;
use super::remove::{Remover, list};
use crate::cli;
use crate::console::{Console, Tone};
use crate::failure::Result;
use crate::gcloud::{Program, Thing};
use crate::kill_point::kill_point;
use crate::ledger::{Event, Ledger, Open, Resource};
use crate::places::Places;
use crate::process::Marker;
use crate::state::{LabDir, Lock, Phase, State};

/// Takes it down, whatever there is of it, and says what there was.
///
/// # Errors
/// When something stays.
pub fn take_down(lab: &LabDir, lock: Lock, state: Option<State>, ledger: &Ledger, console: &Console) -> Result<String> {
    let known = state.as_ref().and_then(|state| state.gke.clone());
    let open = open_of_lab(lab, known.as_ref(), ledger)?;
    if let Some(state) = state {
        lab.write(&State { phase: Phase::Removing, ..state })?;
    }
    kill_point("down-announced");
    // A gcloud that a killed lab has left behind might still order what is removed here.
    lab.marker().sweep(None);
    // Where the ledger is lost, the label still says what the state knows.
    let mut owned: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let recorded = open.iter().map(|open| (open.resource.lab_id.clone(), open.resource.project.clone()));
    for (lab_id, project) in recorded.chain(known.map(|known| (known.lab_id, known.settings.project))) {
        let projects = owned.entry(lab_id).or_default();
        if !projects.contains(&project) {
            projects.push(project);
        }
    }
    let mut had = Vec::new();
    if !owned.is_empty() {
        let (kubeconfig, marker) = (lab.kubeconfig(), lab.marker());
        let remover = Remover { program: Program::locate()?, ledger, kubeconfig, marker, console };
        had = remover.remove(&open)?;
        for (lab_id, projects) in &owned {
            remover.audit(lab_id, &projects.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
    }
    lab.clear()?;
    kill_point("gke-directory-cleared");
    lock.remove(lab)?;
    if had.is_empty() {
        return Ok("nothing was up".into());
    }
    Ok(format!("{}; nothing with its label is left", had.join(", ")))
}

/// Whether the ledger knows of anything of a lab that may exist.
///
/// # Errors
/// When it cannot be read.
pub fn is_in(ledger: &Ledger, lab: &LabDir) -> Result<bool> {
    Ok(!open_of_lab(lab, None, ledger)?.is_empty())
}

/// What a dead lab has left, in a few words; `None` for one that stands and may.
pub fn leftover(state: &State) -> Option<&'static str> {
    let until = state.gke.as_ref().and_then(|known| known.until.parse::<Timestamp>().ok());
    match state.phase {
        Phase::Creating => Some("half made"),
        Phase::Removing => Some("half removed"),
        Phase::Up => until.filter(|until| Timestamp::now() > *until).map(|_| "overdue"),
    }
}

/// A complaint for each lab that costs money beyond the time that it was meant to live.
///
/// # Errors
/// When the ledger cannot be read.
pub fn overdue(ledger: &Ledger) -> Result<Vec<String>> {
    let now = Timestamp::now();
    let complaint = |(lab_id, open): (String, Vec<Open>)| {
        let Resource { lab, project, until, .. } = &open.first()?.resource;
        let is_overdue = until.parse::<Timestamp>().is_ok_and(|until| now > until);
        let price: f64 = open.iter().map(|open| open.resource.usd_per_hour).sum();
        let told = format!(
            "lab `{lab}` ({lab_id}) in project `{project}` was meant to live until {until}, and still costs {}: \
             cargo xtask lab down --name {lab}, or cargo xtask lab gc --lab-id {lab_id}",
            in_words(price)
        );
        is_overdue.then_some(told)
    };
    Ok(by_lab(ledger.open()?).into_iter().filter_map(complaint).collect())
}

fn by_lab(open: Vec<Open>) -> BTreeMap<String, Vec<Open>> {
    let mut labs: BTreeMap<String, Vec<Open>> = BTreeMap::new();
    for open in open {
        labs.entry(open.resource.lab_id.clone()).or_default().push(open);
    }
    labs
}

/// Removes what the ledger names of labs whose directories are gone from this machine, and those that are named by ID;
/// shows what else it knows of.
///
/// # Errors
/// When something stays.
pub fn collect(arguments: &cli::Gc, places: &Places, console: &Console) -> Result<()> {
    let ledger = Ledger::find(arguments.book.ledger.as_deref(), places);
    let mut wanted = Vec::new();
    let mut known = by_lab(ledger.open()?);
    for (lab_id, open) in &known {
        let is_named = arguments.lab_id.contains(lab_id);
        match home(open, places) {
            Home::Gone => wanted.push(lab_id.clone()),
            _ if is_named => wanted.push(lab_id.clone()),
            // Whether it is dead, its directory tells.
            Home::Here => {}
            Home::Elsewhere(place) => console.line(Tone::Note, "Kept", &told_of(lab_id, open, &place)),
        }
    }
    let missing: Vec<_> = arguments.lab_id.iter().filter(|id| !known.contains_key(*id)).cloned().collect();
    if missing.is_empty() && wanted.is_empty() && arguments.project.is_empty() {
        return Ok(());
    }
    let (kubeconfig, marker) = (places.state.join("kubeconfig"), Marker::new(&places.state));
    let remover = Remover { program: Program::locate()?, ledger: &ledger, kubeconfig, marker, console };
    let mut projects: Vec<_> = arguments.project.clone();
    projects.extend(known.values().flatten().map(|open| open.resource.project.clone()));
    projects.sort();
    projects.dedup();
    // Without a question by label, only what the ledger says is looked at.
    let labelled = if missing.is_empty() && arguments.project.is_empty() {
        Vec::new()
    } else {
        find_by_label(&remover, &projects)?
    };
    for (project, tag, thing) in labelled {
        if known.get(&tag.lab_id).is_some_and(|open| open.iter().any(|open| is_same(&open.resource, &thing))) {
            continue;
        }
        if arguments.lab_id.contains(&tag.lab_id) {
            let resource = adopted(&project, &tag, &thing);
            ledger.write(Event::Adopted, &resource, None, None)?;
            let open = Open { resource, ordered: crate::record::now(), operation: None, confirmed: true, seen: true };
            known.entry(tag.lab_id.clone()).or_default().push(open);
            wanted.push(tag.lab_id);
        } else {
            console.line(Tone::Note, "Found", &told_of_label(&project, &tag, &thing));
        }
    }
    wanted.sort();
    wanted.dedup();
    if let Some(id) = missing.iter().find(|id| !wanted.contains(id)) {
        return Err(GkeError::UnknownId { id: (*id).clone(), projects }.into());
    }
    // One lab that cannot be removed keeps no other one.
    let mut failed = Ok(());
    for lab_id in &wanted {
        let removed = remove_lab(&remover, lab_id, &known.remove(lab_id).unwrap_or_default());
        failed = console.last_failure(failed, removed)?;
    }
    failed
}

fn remove_lab(remover: &Remover<'_>, lab_id: &str, open: &[Open]) -> Result<()> {
    let mut projects: Vec<_> = open.iter().map(|open| open.resource.project.as_str()).collect();
    projects.dedup();
    let had = remover.remove(open)?;
    remover.audit(lab_id, &projects)?;
    remover.console.line(Tone::Good, "Removed", &format!("lab {lab_id}: {}", had.join(", ")));
    Ok(())
}

/// Where the directory of a lab is.
enum Home {
    /// On this machine, and there.
    Here,
    /// It was on this machine, and is not there.
    Gone,
    /// On another machine, or of another user.
    Elsewhere(String),
}

fn home(open: &[Open], places: &Places) -> Home {
    let Some(Open { resource: Resource { host, state, .. }, .. }) = open.first() else { return Home::Gone };
    if *host != super::host() || !state.starts_with(&places.state) {
        return Home::Elsewhere(format!("{host}:{}", state.display()));
    }
    if state.exists() { Home::Here } else { Home::Gone }
}

fn is_same(resource: &Resource, thing: &Thing) -> bool {
    resource.kind == thing.kind && resource.name == thing.name && resource.location == thing.location
}

fn find_by_label(remover: &Remover<'_>, projects: &[String]) -> Result<Vec<(String, Tag, Thing)>> {
    let mut found = Vec::new();
    for project in projects {
        let things = list(&remover.gcloud(project, ""))?;
        found.extend(things.into_iter().filter_map(|thing| Some((project.clone(), Tag::read(&thing.labels)?, thing))));
    }
    Ok(found)
}

fn adopted(project: &str, tag: &Tag, thing: &Thing) -> Resource {
    Resource {
        lab_id: tag.lab_id.clone(),
        lab: tag.lab.clone(),
        kind: thing.kind,
        name: thing.name.clone(),
        project: project.into(),
        location: thing.location.clone(),
        labels: thing.labels.clone(),
        // Nobody has written down what it costs.
        usd_per_hour: 0.0,
        until: tag.until.to_string(),
        host: super::host(),
        state: std::path::PathBuf::new(),
    }
}

fn told_of(lab_id: &str, open: &[Open], place: &str) -> String {
    let Some(Open { resource, .. }) = open.first() else { return lab_id.into() };
    let things: Vec<_> = open.iter().map(|open| open.resource.to_string()).collect();
    format!(
        "{} of lab `{}`, made from {place}, until {}; to remove it: cargo xtask lab gc --lab-id {lab_id}",
        things.join(", "),
        resource.lab,
        resource.until
    )
}

fn told_of_label(project: &str, tag: &Tag, thing: &Thing) -> String {
    let overdue = if tag.is_overdue(Timestamp::now()) { "OVERDUE, " } else { "" };
    let Tag { lab_id, lab, until } = tag;
    format!(
        "{overdue}{} `{}` in {} of project `{project}` has the label of lab `{lab}`, until {until}, and is in no ledger here; \
         to remove it: cargo xtask lab gc --project {project} --lab-id {lab_id}",
        thing.kind.word(),
        thing.name,
        thing.location
    )
}
