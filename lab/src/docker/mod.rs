//! Docker, through its own command line: what the lab asks of an engine, as functions.
//!
//! Every command is a list of arguments and never goes through a shell, carries the lab's marker, and is bounded in
//! time. The long ones (a pull, a build, a load) end at Ctrl-C; the short ones are finished, so that nothing is left
//! half-made by a keystroke. An error names the command as a person would type it and ends with what Docker said last.

pub(crate) mod call;
mod error;
mod inspect;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::process::Marker;

use call::Call;

pub use error::DockerError;
pub use inspect::Container;

/// What one command returns.
pub type Result<T, E = DockerError> = std::result::Result<T, E>;

/// How long a command may take that only asks or makes something small.
const SHORT: Duration = Duration::from_secs(60);
/// How long a registry may take to say whether it has an image.
const ASK: Duration = Duration::from_secs(10);
/// How long one may take that moves images.
const LONG: Duration = Duration::from_secs(900);

/// What the engine says of an image that a container uses.
const IMAGE_IN_USE: [&str; 2] = ["is using its referenced image", "image is being used by"];

/// A Docker engine, reached by its client.
#[derive(Debug, Clone)]
pub struct Docker {
    program: PathBuf,
    marker: Option<Marker>,
}

/// What `docker version` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// The client's version.
    pub client: String,
    /// The engine's version.
    pub server: String,
}

/// An image to be built: a Dockerfile and the few files that it copies.
#[derive(Debug, Clone, Copy, Default)]
pub struct Build<'a> {
    /// The name and tag that it gets.
    pub reference: &'a str,
    /// Every file of the context, by path; one of them is `Dockerfile`.
    pub files: &'a [(&'a str, &'a str)],
    /// Build arguments: name, value.
    pub arguments: &'a [(&'a str, &'a str)],
    /// Labels of the image: name, value.
    pub labels: &'a [(&'a str, &'a str)],
}

/// A container to be started. Its image must be there: nothing is pulled behind one's back.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run<'a> {
    /// The image.
    pub image: &'a str,
    /// The container's name.
    pub name: &'a str,
    /// Labels: name, value.
    pub labels: &'a [(&'a str, &'a str)],
    /// The network that it is on, if not Docker's own.
    pub network: Option<&'a str>,
    /// Directories of this machine that it sees.
    pub mounts: &'a [Mount<'a>],
    /// Capabilities that it gets beyond Docker's own, without `CAP_`.
    pub capabilities: &'a [&'a str],
    /// Its environment: name, value.
    pub environment: &'a [(&'a str, &'a str)],
    /// Ports that 127.0.0.1 forwards: of this machine (0: any that is free), of the container.
    pub ports: &'a [(u16, u16)],
    /// What it runs; the image's own command if empty.
    pub command: &'a [&'a str],
    /// Any other options of `docker run`, as they are typed.
    pub options: &'a [&'a str],
}

/// A directory of this machine in a container.
#[derive(Debug, Clone, Copy)]
pub struct Mount<'a> {
    /// Where it lies here.
    pub source: &'a Path,
    /// Where it lies there.
    pub target: &'a str,
    /// Whether the container may not write to it.
    pub read_only: bool,
}

/// A command that ran in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
}

impl Docker {
    /// The client on the PATH, and what each of its processes is marked with.
    ///
    /// # Errors
    /// [`DockerError::NotInstalled`].
    pub fn find(marker: Option<Marker>) -> Result<Self> {
        let program = which::which("docker").map_err(|_| DockerError::NotInstalled)?;
        Ok(Self { program, marker })
    }

    /// The same client, whose processes carry this mark from now on.
    #[must_use]
    pub fn marked(self, marker: Marker) -> Self {
        Self { marker: Some(marker), ..self }
    }

    /// What its processes are marked with.
    pub fn marker(&self) -> Option<&Marker> {
        self.marker.as_ref()
    }

    /// Client's and engine's versions; the way to ask whether there is an engine at all.
    ///
    /// # Errors
    /// [`DockerError::Unreachable`] with the client's own words.
    pub fn versions(&self) -> Result<Versions> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Version {
            version: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Both {
            client: Version,
            server: Version,
        }
        let call = self.call(["version", "--format", "{{json .}}"]);
        let both: Both = call.json(&call.run()?.stdout)?;
        Ok(Versions { client: both.client.version, server: both.server.version })
    }

    /// The ID of an image that is there; `None` if it is not. Nothing is pulled.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn image_id(&self, reference: &str) -> Result<Option<String>> {
        let call = self.call(["image", "inspect", "--format", "{{.Id}}", reference]);
        Ok(call.run_if_there()?.map(|ended| ended.line()))
    }

    /// Every image whose name fits a pattern such as `localhost/batch-ml-lab/*`, as `name:tag`.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn images(&self, pattern: &str) -> Result<Vec<String>> {
        let filter = format!("reference={pattern}");
        let call = self.call(["image", "ls", "--filter", &filter, "--format", "{{.Repository}}:{{.Tag}}"]);
        Ok(call.run()?.lines())
    }

    /// Removes an image's name, and the image with its last one. Nothing happens if it is not there, or if a container
    /// still uses it; says whether it is gone.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn remove_unused_image(&self, reference: &str) -> Result<bool> {
        match self.call(["image", "rm", reference]).run_if_there() {
            Err(DockerError::Failed { said, .. }) if IMAGE_IN_USE.iter().any(|words| said.contains(words)) => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// Pulls an image.
    ///
    /// # Errors
    /// When the registry cannot be reached or has no such image.
    pub fn pull(&self, reference: &str) -> Result<()> {
        self.call(["pull", "--quiet", reference]).long().run().map(drop)
    }

    /// Asks the registry whether it has an image, for at most some seconds. Nothing is pulled.
    ///
    /// # Errors
    /// When the registry does not answer, or has none.
    pub fn reachable_image(&self, reference: &str) -> Result<()> {
        self.call(["manifest", "inspect", reference]).limit(ASK).run().map(drop)
    }

    /// Builds an image, and says its ID. Only what `build` names is in the context.
    ///
    /// # Errors
    /// When a line of the Dockerfile fails; the error ends with what it said.
    pub fn build(&self, build: &Build<'_>) -> Result<String> {
        let mut call = self.call(["build", "--quiet", "--tag", build.reference]);
        for (name, value) in build.arguments {
            call.push("--build-arg").push(format!("{name}={value}"));
        }
        call.labels(build.labels).push("-");
        let files: Vec<_> = build.files.iter().map(|(path, text)| (*path, text.as_bytes(), 0o755)).collect();
        let context = crate::image::tar(&files).map_err(|error| call.unexpected(error.to_string()))?;
        Ok(call.input(&context).long().run()?.line())
    }

    /// Writes an image into a file that [`Self::load`] reads.
    ///
    /// # Errors
    /// When it is not there, or the file cannot be written.
    pub fn save(&self, reference: &str, file: &Path) -> Result<()> {
        let mut call = self.call(["save", "--output"]);
        call.push(file).push(reference);
        call.long().run().map(drop)
    }

    /// Loads the images of an archive.
    ///
    /// # Errors
    /// When the archive is none, or there is no room.
    pub fn load(&self, archive: &[u8]) -> Result<()> {
        self.call(["load", "--quiet"]).input(archive).long().run().map(drop)
    }

    /// Starts a container that goes on by itself, and says its ID.
    ///
    /// # Errors
    /// When the name is taken, the image is not there, or the engine refuses.
    pub fn run(&self, run: &Run<'_>) -> Result<String> {
        let mut call = self.call(["run", "--detach", "--pull", "never", "--name", run.name]);
        call.labels(run.labels);
        if let Some(network) = run.network {
            call.push("--network").push(network);
        }
        for mount in run.mounts {
            call.push("--mount").push(mount.option());
        }
        for capability in run.capabilities {
            call.push("--cap-add").push(capability);
        }
        for (name, value) in run.environment {
            call.push("--env").push(format!("{name}={value}"));
        }
        for (here, there) in run.ports {
            call.push("--publish").push(format!("127.0.0.1:{here}:{there}"));
        }
        for argument in run.options.iter().chain([&run.image]).chain(run.command) {
            call.push(argument);
        }
        Ok(call.run()?.line())
    }

    /// Starts a container again that has ended.
    ///
    /// # Errors
    /// When it is not there or does not start.
    pub fn start(&self, container: &str) -> Result<()> {
        self.call(["start", container]).run().map(drop)
    }

    /// Sends a signal, by its name, to a container's first process. Nothing happens if it is not there.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self, container: &str, signal: &str) -> Result<()> {
        self.call(["kill", "--signal", signal, container]).run_if_there().map(drop)
    }

    /// Removes a container, running or not, with its own volumes, and says whether there was one.
    ///
    /// # Errors
    /// When the engine cannot.
    pub fn remove(&self, container: &str) -> Result<bool> {
        // With `--force` the client ends well where there is no such container, and says so.
        let ended = self.call(["rm", "--force", "--volumes", container]).run_if_there()?;
        Ok(ended.is_some_and(|ended| !ended.line().is_empty()))
    }

    /// What there is to know of a container; `None` if there is none of this name.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn inspect(&self, container: &str) -> Result<Option<Container>> {
        let call = self.call(["container", "inspect", container]);
        let Some(ended) = call.run_if_there()? else { return Ok(None) };
        inspect::parse(&ended.stdout).map(Some).map_err(|error| call.unexpected(error.to_string()))
    }

    /// What a container wrote, both streams, as far as its last `lines`.
    ///
    /// # Errors
    /// When it is not there.
    pub fn logs(&self, container: &str, lines: usize) -> Result<String> {
        let ended = self.call(["logs", "--tail", &lines.to_string(), container]).run()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(text(&ended.stdout) + &text(&ended.stderr))
    }

    /// Runs a command in a container, whatever its exit code, with `input` as its standard input.
    ///
    /// # Errors
    /// When there is no such container or it does not run. A command that is not in it is one that ended with 127.
    pub fn exec(&self, container: &str, command: &[&str], input: &[u8]) -> Result<Executed> {
        let mut call = self.call(["exec", "--interactive", container]);
        for argument in command {
            call.push(argument);
        }
        let call = call.input(input);
        let ended = call.run_to_its_end()?;
        // The client's own failures leave its code too: they are told apart by how it speaks of them.
        if !ended.status.success() && (ended.says("Error response from daemon:") || ended.says("No such container")) {
            return Err(call.failed(&ended));
        }
        let code = ended.status.code().ok_or_else(|| call.failed(&ended))?;
        Ok(Executed { code, stdout: ended.stdout, stderr: ended.stderr })
    }

    /// Makes a network of its own.
    ///
    /// # Errors
    /// When there is one of this name, or no address range is left.
    pub fn create_network(&self, name: &str, labels: &[(&str, &str)]) -> Result<()> {
        let mut call = self.call(["network", "create"]);
        call.labels(labels).push(name);
        call.run().map(drop)
    }

    /// Removes a network, and says whether there was one.
    ///
    /// # Errors
    /// When a container is still on it.
    pub fn remove_network(&self, name: &str) -> Result<bool> {
        Ok(self.call(["network", "rm", name]).run_if_there()?.is_some())
    }

    /// The value of a network's label: `None` if there is no such network, `Some(None)` if it has no such label.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn network_label(&self, name: &str, label: &str) -> Result<Option<Option<String>>> {
        let format = format!("{{{{index .Labels \"{label}\"}}}}");
        let ended = self.call(["network", "inspect", "--format", &format, name]).run_if_there()?;
        Ok(ended.map(|ended| Some(ended.line()).filter(|value| !value.is_empty() && value != "<no value>")))
    }

    /// Whether there is a network of this name.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn has_network(&self, name: &str) -> Result<bool> {
        Ok(self.call(["network", "inspect", "--format", "{{.Name}}", name]).run_if_there()?.is_some())
    }

    /// The names of all containers that carry a label, running or not; with an empty value, whatever its value is.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn containers(&self, label: (&str, &str)) -> Result<Vec<String>> {
        let filter = filter(label);
        Ok(self.call(["ps", "--all", "--no-trunc", "--filter", &filter, "--format", "{{.Names}}"]).run()?.lines())
    }

    /// The names of all networks that carry a label; with an empty value, whatever its value is.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn networks(&self, label: (&str, &str)) -> Result<Vec<String>> {
        let filter = filter(label);
        Ok(self.call(["network", "ls", "--filter", &filter, "--format", "{{.Name}}"]).run()?.lines())
    }

    fn call<const N: usize>(&self, arguments: [&str; N]) -> Call<'_> {
        Call::new(&self.program, self.marker.as_ref(), &arguments)
    }
}

impl Mount<'_> {
    /// As `--mount` reads it: fields between commas, quoted as in a table of such.
    fn option(&self) -> String {
        let field = |name: &str, value: &str| format!("\"{name}={}\"", value.replace('"', "\"\""));
        let source = field("source", &self.source.to_string_lossy());
        let read_only = if self.read_only { ",readonly" } else { "" };
        format!("type=bind,{source},{}{read_only}", field("target", self.target))
    }
}

fn filter((name, value): (&str, &str)) -> String {
    if value.is_empty() { format!("label={name}") } else { format!("label={name}={value}") }
}

#[cfg(test)]
mod tests;
