//! One command of Docker's client, or of a program like it: started, fed, listened to, bounded, and told about when it fails.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::{DockerError, LONG, Result, SHORT};
use crate::interrupt;
use crate::process::Marker;
use crate::wait::scaled;

/// How much of what the client said is in an error.
const TAIL_LINES: usize = 5;
/// How often a running command looks at the clock and for Ctrl-C; its end is noticed at once.
const POLL: Duration = Duration::from_millis(50);

/// A command about to be run.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    program: &'a Path,
    marker: Option<&'a Marker>,
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
    input: Option<&'a [u8]>,
    limit: Duration,
    ends_at_interrupt: bool,
    dies_with_the_lab: bool,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl<'a> Call<'a> {
    pub fn new(program: &'a Path, marker: Option<&'a Marker>, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(OsString::from).collect();
        Self {
            program,
            marker,
            arguments,
            variables: Vec::new(),
            input: None,
            limit: SHORT,
            ends_at_interrupt: false,
            dies_with_the_lab: false,
        }
    }

    /// One argument more.
    pub fn push(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub fn labels(&mut self, labels: &[(&str, &str)]) -> &mut Self {
        for (name, value) in labels {
            self.push("--label").push(format!("{name}={value}"));
        }
        self
    }

    /// The arguments so far.
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// What it reads from its standard input.
    pub fn input<'b>(self, input: &'b [u8]) -> Call<'b>
    where
        'a: 'b,
    {
        Call { input: Some(input), ..self }
    }

    /// One variable more in its environment.
    pub fn variable(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name, value.as_ref().to_owned()));
        self
    }

    /// It may take so long, before `LAB_TIME_SCALE`.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// It ends at Ctrl-C.
    pub fn interruptible(mut self) -> Self {
        self.ends_at_interrupt = true;
        self
    }

    /// It is of no use without the lab, and ends with it, however that ends. What orders something elsewhere must not: to
    /// cut it off is to not know what became of the order.
    pub fn dying_with_the_lab(mut self) -> Self {
        self.dies_with_the_lab = true;
        self
    }

    /// It may take minutes, and ends at Ctrl-C.
    pub fn long(self) -> Self {
        self.limit(LONG).interruptible()
    }

    /// Runs it and takes an exit code other than 0 for an error.
    pub fn run(&self) -> Result<Ended> {
        let ended = self.run_to_its_end()?;
        if ended.status.success() { Ok(ended) } else { Err(self.failed(&ended)) }
    }

    /// The same, with `None` where what it asks about is not there.
    pub fn run_if_there(&self) -> Result<Option<Ended>> {
        let ended = self.run_to_its_end()?;
        // "Error: No such image: x", "Error response from daemon: network x not found", and older and newer forms.
        let is_missing = ["no such ", "not found"].iter().any(|words| ended.says(words));
        match ended.status.success() {
            true => Ok(Some(ended)),
            false if is_missing => Ok(None),
            false => Err(self.failed(&ended)),
        }
    }

    /// Runs it, whatever its exit code.
    pub fn run_to_its_end(&self) -> Result<Ended> {
        let mut command = Command::new(self.program);
        command.args(&self.arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.envs(self.marker.map(Marker::variable)).envs(self.variables.iter().cloned());
        // A group of its own: a Ctrl-C on the terminal is for the lab, which decides what still has to be finished.
        command.process_group(0);
        if self.dies_with_the_lab {
            crate::process::die_with_the_lab(&mut command);
        }
        let mut child = command.spawn().map_err(|error| self.unexpected(error.to_string()))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (sender, all_read) = channel::<()>();
        thread::scope(|scope| {
            let readers = [stdout.map(boxed), stderr.map(boxed)].map(|stream| {
                // Each reader drops its sender when its stream ends: then the other side knows.
                let sender = sender.clone();
                scope.spawn(move || {
                    let bytes = read(stream);
                    drop(sender);
                    bytes
                })
            });
            drop(sender);
            if let (Some(mut stdin), Some(input)) = (stdin, self.input) {
                // One that ends without reading to the end says itself why.
                scope.spawn(move || drop(stdin.write_all(input)));
            }
            let waited = self.wait(&all_read, &mut child);
            let [stdout, stderr] = readers.map(|reader| reader.join().unwrap_or_default());
            match waited {
                Ok(status) => Ok(Ended { status, stdout, stderr }),
                Err(Stopped::Interrupted(by)) => Err(DockerError::Interrupted(by)),
                Err(Stopped::Lost(why)) => Err(self.unexpected(why)),
                Err(Stopped::Late) => {
                    let (command, limit_s) = (self.typed(), scaled(self.limit).as_secs_f64());
                    Err(DockerError::TimedOut { command, limit_s, said: tail(&[stdout, stderr]) })
                }
            }
        })
    }

    fn wait(
        &self,
        all_read: &std::sync::mpsc::Receiver<()>,
        child: &mut Child,
    ) -> std::result::Result<ExitStatus, Stopped> {
        let (start, limit) = (Instant::now(), scaled(self.limit));
        let why = loop {
            match all_read.recv_timeout(POLL) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return child.wait().map_err(|error| Stopped::Lost(error.to_string())),
            }
            if start.elapsed() >= limit {
                break Stopped::Late;
            }
            if self.ends_at_interrupt
                && let Err(by) = interrupt::check()
            {
                break Stopped::Interrupted(by);
            }
        };
        // The client may have started helpers that hold its streams; they are in its group.
        if let Some(group) = crate::process::pid(child.id()) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = child.wait();
        Err(why)
    }

    /// What it printed, as the type that it should be.
    pub fn json<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|error| self.unexpected(error.to_string()))
    }

    /// The error of a command that has ended badly.
    pub fn failed(&self, ended: &Ended) -> DockerError {
        let said = tail(std::slice::from_ref(&ended.stderr));
        if DockerError::means_unreachable(&said) {
            return DockerError::Unreachable { why: said };
        }
        DockerError::Failed { command: self.typed(), how: ended.status.to_string(), said }
    }

    /// The error of a command that has done something else than it should.
    pub fn unexpected(&self, why: String) -> DockerError {
        DockerError::Unexpected { command: self.typed(), why }
    }

    /// The command as a person would type it.
    pub fn typed(&self) -> String {
        let word = |argument: &OsString| {
            let text = argument.to_string_lossy();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+%".contains(c);
            if !text.is_empty() && text.chars().all(is_plain) {
                text.into_owned()
            } else {
                format!("'{}'", text.replace('\'', r"'\''"))
            }
        };
        let words: Vec<_> = self.arguments.iter().map(word).collect();
        let program = self.program.file_name().unwrap_or_default().to_string_lossy();
        format!("{program} {}", words.join(" "))
    }
}

/// Why a command was not waited for.
enum Stopped {
    Late,
    Interrupted(interrupt::Interrupted),
    Lost(String),
}

impl Ended {
    /// Its standard output, without the end of its line.
    pub fn line(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    /// The lines of its standard output.
    pub fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.stdout).lines().map(str::to_owned).collect()
    }

    /// Whether its standard error holds some words, whatever their case.
    pub fn says(&self, words: &str) -> bool {
        String::from_utf8_lossy(&self.stderr).to_lowercase().contains(&words.to_lowercase())
    }
}

fn boxed(stream: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(stream)
}

fn read(stream: Option<Box<dyn Read + Send>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What was read before an error is all there is.
        let _ = stream.read_to_end(&mut bytes);
    }
    bytes
}

/// The last lines of what was said, on one line.
fn tail(streams: &[Vec<u8>]) -> String {
    let texts: Vec<_> = streams.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    let lines: Vec<_> = texts.iter().flat_map(|text| text.lines()).map(str::trim).filter(|l| !l.is_empty()).collect();
    let lines = without_stack(&lines);
    let last = lines[lines.len().saturating_sub(TAIL_LINES)..].join(" | ");
    if last.is_empty() { "nothing".into() } else { last }
}

/// What is left without the stack that a program in Go prints behind its error: pairs of a function and its place.
fn without_stack<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let is_place = |line: &&str| {
        let (file, number) = line.rsplit_once(':').unwrap_or_default();
        (file.ends_with(".go") || file.ends_with(".s")) && number.parse::<u32>().is_ok()
    };
    let next = lines.iter().skip(1).map(Some).chain([None]);
    let of_a_frame = |(line, next): &(&&str, Option<&&str>)| is_place(line) || next.is_some_and(is_place);
    lines.iter().zip(next).filter(|pair| !of_a_frame(pair)).map(|(line, _)| *line).collect()
}
