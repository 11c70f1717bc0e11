//! What a lab has created, deleted: exactly what the ledger names and our label is on, side by side, until it is seen to be
//! gone; and an audit of the project afterwards.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::error::{GkeError, delete_command, delete_command_of};
use super::label::Tag;
use super::provision::{LOST, Pace, Progress, is_ours, late, trouble};
use crate::console::{Console, Tone};
use crate::failure::{Exit, Failure, Result};
use crate::gcloud::{Class, Condition, Gcloud, GcloudError, Place, Thing, Verb, region_of};
use crate::kill_point::kill_point;
use crate::ledger::{Event, Kind, Ledger, Open, Resource};
use crate::process::Marker;
use crate::wait::{Look, Wait, scaled};

/// How long a thing may take to go, its creation being waited for first.
const GOING: Duration = Duration::from_secs(40 * 60);
/// How old an order must be before what Google does not show was never made: gcloud may be at it for two minutes, and
/// Google may take its time to show what it has taken. Until then its line stays open.
const SETTLED: Duration = Duration::from_secs(5 * 60);
/// How often a delete is tried that Google refuses or does not finish.
const ATTEMPTS: u32 = 3;

/// What is needed to remove things.
pub(super) struct Remover<'a> {
    pub program: PathBuf,
    pub ledger: &'a Ledger,
    /// The lab's own kubeconfig: no command may write to a person's.
    pub kubeconfig: PathBuf,
    pub marker: Marker,
    pub console: &'a Console,
}

impl Remover<'_> {
    /// gcloud for a project.
    pub fn gcloud(&self, project: &str, location: &str) -> Gcloud {
        let region = region_of(location).to_owned();
        let place = Place { project: project.into(), region, zone: location.into(), ..Place::default() };
        Gcloud::new(self.program.clone(), place, self.kubeconfig.clone(), self.marker.clone())
    }

    /// Removes all of them, and says what became of each. One that fails keeps no other one.
    pub fn remove(&self, open: &[Open]) -> Result<Vec<String>> {
        let alone = |open: &&Open| open.resource.kind != Kind::NodePool;
        let ended: Vec<Result<String>> = thread::scope(|scope| {
            let start = |open| {
                scope.spawn(move || self.remove_one(open).map_err(|failure| still_costs(failure, &open.resource)))
            };
            let threads: Vec<_> = open.iter().filter(alone).map(start).collect();
            let panicked = || Failure::fault(Exit::Lab, "failed to delete something: it panicked");
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
        });
        let mut failures: Vec<_> = ended.iter().filter_map(|ended| ended.as_ref().err().cloned()).collect();
        if let Some(last) = failures.pop() {
            failures.iter().for_each(|failure| self.console.failure(failure));
            return Err(last);
        }
        // A pool has gone with its cluster.
        for pool in open.iter().filter(|open| !alone(open)) {
            self.ledger.write(Event::Gone, &pool.resource, None, Some("its cluster is gone"))?;
        }
        Ok(ended.into_iter().flatten().collect())
    }

    fn remove_one(&self, open: &Open) -> Result<String> {
        let resource = &open.resource;
        let gcloud = self.gcloud(&resource.project, &resource.location);
        let Some(thing) = self.find(&gcloud, open)? else {
            self.ledger.write(Event::Gone, resource, None, Some("it was not there"))?;
            return Ok(format!("{} `{}` was not there", resource.kind.word(), resource.name));
        };
        if !is_ours(&thing, resource) {
            if open.confirmed {
                // It was ours. That the label is gone is no leave to delete it, and none to forget it.
                return Err(GkeError::foreign(&thing, &resource.project).into());
            }
            self.ledger.write(Event::Gone, resource, None, Some("something else has its name"))?;
            return Ok(format!("{} `{}` is not ours, left alone", resource.kind.word(), resource.name));
        }
        self.delete(&gcloud, resource, &thing)?;
        self.ledger.write(Event::Gone, resource, None, Some("deleted"))?;
        kill_point(if resource.kind == Kind::Filestore { "gke-filestore-gone" } else { "gke-cluster-gone" });
        Ok(format!("{} `{}` deleted", resource.kind.word(), resource.name))
    }

    /// The thing behind a line of the ledger. What was ordered and is not shown is looked for until its order has settled.
    fn find(&self, gcloud: &Gcloud, open: &Open) -> Result<Option<Thing>> {
        let Open { resource, .. } = open;
        let Resource { kind, name, location, .. } = resource;
        let start = Instant::now();
        let unsettled = scaled(SETTLED).saturating_sub(age(&open.ordered, Timestamp::now()));
        let remedy = "see whether Google answers: gcloud info --run-diagnostics";
        let what = format!("look at {resource}");
        // The wait scales its limit itself.
        let wait = Wait { what: &what, limit: SETTLED + LOST * 4, poll: Pace::TICK, remedy };
        let (mut pace, mut progress) = (Pace::new(), Progress::new(self.console, resource));
        wait.until(|| {
            pace.look(|| match gcloud.look(*kind, name, location) {
                Ok(Some(thing)) => Ok(Look::Done(Some(thing))),
                Ok(None) if open.seen || start.elapsed() >= unsettled || has_ended(gcloud, open) => {
                    Ok(Look::Done(None))
                }
                Ok(None) => {
                    let until_s = scaled(SETTLED).as_secs();
                    Ok(progress.not_yet(format!("not shown, and looked for until {until_s} s after it was ordered")))
                }
                Err(error) => trouble(error).map(Look::NotYet),
            })
        })
    }

    /// Asks for it to be deleted as soon as Google takes that, and again if it fails, until it is gone.
    fn delete(&self, gcloud: &Gcloud, resource: &Resource, seen: &Thing) -> Result<()> {
        let what = format!("delete {resource}");
        let wait = Wait { what: &what, limit: GOING, poll: Pace::TICK, remedy: "" };
        let mut progress = Progress::new(self.console, resource);
        let mut order = Order { gcloud, resource, console: self.console, attempts: 0, operation: None };
        let word = order.step(seen)?;
        progress.tell(&word);
        let mut pace = Pace::after(Pace::SHORTEST, word);
        let gone = wait.until(|| {
            pace.look(|| match gcloud.look(resource.kind, &resource.name, &resource.location) {
                Ok(Some(thing)) => order.step(&thing).map(|word| progress.not_yet(word)),
                Ok(None) => Ok(Look::Done(())),
                Err(error) => trouble(error).map(|said| progress.not_yet(said)),
            })
        });
        gone.map_err(late)
    }

    /// Looks for anything in these projects that has the label of this lab.
    pub fn audit(&self, lab_id: &str, projects: &[&str]) -> Result<()> {
        let mut left = Vec::new();
        for project in projects {
            let found = list(&self.gcloud(project, ""))?;
            let ours = |thing: &&Thing| Tag::read(&thing.labels).is_some_and(|tag| tag.lab_id == lab_id);
            left.extend(found.iter().filter(ours).map(|thing| {
                let Thing { kind, name, location, word, .. } = thing;
                let told = format!("{} `{name}` in {location} of project `{project}` ({word})", kind.word());
                (told, delete_command(*kind, name, location, project))
            }));
        }
        kill_point("gke-audited");
        if left.is_empty() {
            return Ok(());
        }
        let (left, commands): (Vec<_>, Vec<_>) = left.into_iter().unzip();
        let project = projects.join(" --project ");
        Err(GkeError::Left { left, commands, project, lab_id: lab_id.into() }.into())
    }
}

/// A delete that was ordered, or is to be.
struct Order<'a> {
    gcloud: &'a Gcloud,
    resource: &'a Resource,
    console: &'a Console,
    attempts: u32,
    operation: Option<String>,
}

impl Order<'_> {
    /// What is to be done about a thing as it was seen just now; says how it stands.
    fn step(&mut self, thing: &Thing) -> Result<String> {
        match thing.condition {
            // Google deletes nothing that is still being made; all else is its to refuse.
            Condition::Coming if is_being_made(thing) => Ok(format!("{}, to be deleted then", thing.word)),
            Condition::Going => Ok(thing.word.clone()),
            Condition::Coming | Condition::Ready | Condition::Failed => self.give(thing),
        }
    }

    /// The thing is there and nobody deletes it: orders that, unless an order is still under way. Says how it stands.
    fn give(&mut self, thing: &Thing) -> Result<String> {
        let mut why = format!("it is {} again", thing.word);
        if self.attempts > 0 {
            match self.look()? {
                Some((false, word)) => return Ok(format!("delete {word}")),
                Some((true, said)) => why = said,
                None => return Ok(format!("{}, after a delete was asked for", thing.word)),
            }
            self.operation = None;
        }
        self.attempts += 1;
        if self.attempts > ATTEMPTS {
            return Err(self.failed(why));
        }
        if self.attempts > 1 {
            self.console.line(Tone::Note, "Again", &format!("delete of {}: {why}", self.resource));
        }
        let ordered = self.gcloud.delete(self.resource.kind, &self.resource.name, &self.resource.location);
        kill_point(match self.resource.kind {
            Kind::Filestore => "gke-filestore-delete-asked",
            _ => "gke-cluster-delete-asked",
        });
        match ordered {
            Ok(operation) => {
                self.operation = operation.map(|operation| operation.name);
                Ok("delete ordered".into())
            }
            Err(GcloudError::Interrupted(by)) => Err(GcloudError::Interrupted(by).into()),
            Err(error) => match error.class() {
                // Not now: that is no attempt.
                Class::Busy => {
                    self.attempts -= 1;
                    Ok(error.said())
                }
                Class::NotFound => Ok("it is gone".into()),
                // It may have been taken all the same; the next look shows.
                Class::Unclear => Ok(error.said()),
                Class::Refused | Class::Exists if self.attempts < ATTEMPTS && !is_final(&error) => Ok(error.said()),
                Class::Refused | Class::Exists => Err(error.into()),
            },
        }
    }

    /// How the order under way is: whether it has ended, and in which words; nothing where none is known.
    fn look(&mut self) -> Result<Option<(bool, String)>> {
        let Resource { kind, name, location, .. } = self.resource;
        let found = match (&self.operation, kind) {
            (Some(operation), _) => self.gcloud.operation(*kind, operation, location).map(Some),
            (None, Kind::Filestore) => return Ok(Some((true, "it was not begun".into()))),
            (None, _) => self.gcloud.newest_operation(Verb::DeleteCluster, name, location),
        };
        match found {
            Ok(Some(operation)) => {
                self.operation = Some(operation.name.clone());
                let word = operation.error.clone().unwrap_or_else(|| format!("operation {}", operation.word));
                Ok(Some((operation.done, word)))
            }
            Ok(None) => Ok(Some((true, "it was not begun".into()))),
            Err(error) => trouble(error).map(|said| Some((false, said))),
        }
    }

    fn failed(&self, why: String) -> Failure {
        let command = delete_command_of(self.resource);
        GkeError::Delete { what: self.resource.to_string(), why, command }.into()
    }
}

fn is_being_made(thing: &Thing) -> bool {
    let word = thing.word.split(':').next().unwrap_or_default();
    ["PROVISIONING", "CREATING"].contains(&word)
}

/// A refusal that asking again does not mend.
fn is_final(error: &GcloudError) -> bool {
    let GcloudError::Refused { named, .. } = error else { return false };
    ["permission-denied", "no-account", "deletion-protected", "api-off", "project-missing"].contains(&named.cause)
}

/// Whatever keeps a thing from being removed, a person can always do it by hand, and should.
fn still_costs(failure: Failure, resource: &Resource) -> Failure {
    let command = delete_command_of(resource);
    if failure.cause == "foreign-resource" || failure.remedy.contains(&command) {
        return failure;
    }
    let more = format!("it may still cost money: `cargo xtask lab down` tries again; by hand: {command}");
    let remedy = if failure.remedy.is_empty() { more } else { format!("{}; {more}", failure.remedy) };
    Failure { remedy, ..failure }
}

/// How old an order is. One whose time is illegible, or that of a clock ahead of ours, is as young as can be.
fn age(ordered: &str, now: Timestamp) -> Duration {
    let age = ordered.parse::<Timestamp>().map(|ordered| now.duration_since(ordered));
    age.ok().and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
}

/// Whether the order has come to its end, well or badly: what is not shown then will not come.
fn has_ended(gcloud: &Gcloud, open: &Open) -> bool {
    let Resource { kind, location, .. } = &open.resource;
    let operation = open.operation.as_deref().map(|name| gcloud.operation(*kind, name, location));
    operation.is_some_and(|found| found.is_ok_and(|operation| operation.done))
}

/// Everything in a project that could be a lab's; clusters and instances are asked for side by side.
pub(super) fn list(gcloud: &Gcloud) -> Result<Vec<Thing>> {
    let (clusters, instances) = thread::scope(|scope| {
        let instances = scope.spawn(|| patiently(gcloud, Kind::Filestore));
        let clusters = patiently(gcloud, Kind::Cluster);
        let panicked = || Failure::fault(Exit::Lab, "failed to list the Filestore instances: it panicked");
        (clusters, instances.join().unwrap_or_else(|_| Err(panicked())))
    });
    Ok(clusters?.into_iter().chain(instances?).collect())
}

/// An audit that Google does not answer is asked for again: without it nobody knows what is left.
fn patiently(gcloud: &Gcloud, kind: Kind) -> Result<Vec<Thing>> {
    let what = format!("list every {}", kind.word());
    let remedy = "see whether Google answers: gcloud info --run-diagnostics";
    let wait = Wait { what: &what, limit: LOST * 4, poll: Pace::TICK, remedy };
    let mut pace = Pace::new();
    wait.until(|| {
        pace.look(|| match gcloud.list(kind) {
            Ok(things) => Ok(Look::Done(things)),
            Err(error) => trouble(error).map(Look::NotYet),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An order is as old as its line; where that cannot be told, it is taken for young, so that it is looked for.
    #[test]
    fn an_order_whose_age_is_not_known_is_young() {
        let now: Timestamp = "2026-11-24T15:05:00Z".parse().unwrap();
        assert_eq!(age("2026-11-24T15:00:00.250Z", now), Duration::from_millis(299_750));
        assert_eq!(age("2026-11-24T15:06:00Z", now), Duration::ZERO);
        assert_eq!(age("yesterday", now), Duration::ZERO);
    }
}
