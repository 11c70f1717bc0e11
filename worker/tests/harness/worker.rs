//! The worker as a process: started, listened to line by line, signalled, waited for, and never left behind.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything that a test expects to happen.
const LIMIT: Duration = Duration::from_secs(60);

/// A running worker.
pub struct Worker {
    process: Child,
    heard: Arc<Heard>,
    listeners: Vec<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<Line>>,
    more: Condvar,
    /// How many of its two streams have ended.
    ended: AtomicUsize,
}

struct Line {
    is_log: bool,
    text: String,
    at: Instant,
}

/// A worker that has ended.
pub struct Finished {
    pub status: ExitStatus,
    /// Its log: standard output.
    pub log: Vec<String>,
    /// Its diagnostics: standard error.
    pub notes: Vec<String>,
}

impl Worker {
    pub fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the worker to start");
        let heard = Arc::new(Heard::default());
        let (stdout, stderr) = (process.stdout.take().expect("a pipe"), process.stderr.take().expect("a pipe"));
        let listeners = vec![listen(stdout, true, &heard), listen(stderr, false, &heard)];
        Self { process, heard, listeners }
    }

    /// Waits until a line of the log begins with a text, and tells when it came. The log is flushed line by line, so
    /// the line comes when it is written.
    pub fn log(&self, beginning: &str) -> Instant {
        self.line(true, beginning)
    }

    /// The same for standard error, after its `worker: `.
    pub fn note(&self, beginning: &str) -> Instant {
        self.line(false, &format!("worker: {beginning}"))
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    fn line(&self, is_log: bool, beginning: &str) -> Instant {
        self.find(is_log, beginning).unwrap_or_else(|said| panic!("no line `{beginning}…`, but:\n{said}"))
    }

    fn find(&self, is_log: bool, beginning: &str) -> Result<Instant, String> {
        let lines = self.heard.lines.lock().expect("no listener panics");
        let find = |lines: &Vec<Line>| {
            lines.iter().find(|line| line.is_log == is_log && line.text.starts_with(beginning)).map(|line| line.at)
        };
        let goes_on = |lines: &mut Vec<Line>| find(lines).is_none() && self.heard.ended.load(Ordering::SeqCst) < 2;
        let (lines, _) = self.heard.more.wait_timeout_while(lines, LIMIT, goes_on).expect("a wait");
        find(&lines).ok_or_else(|| join(&lines))
    }

    pub fn signal(&self, signal: Signal) -> Instant {
        kill_process(Pid::from_child(&self.process), signal).expect("a process to signal");
        Instant::now()
    }

    /// Waits until the process is frozen.
    pub fn frozen(&self) {
        let path = format!("/proc/{}/stat", self.process.id());
        let start = Instant::now();
        while !std::fs::read_to_string(&path).expect("a process").contains(") T ") {
            assert!(start.elapsed() < LIMIT, "the worker must freeze");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("a child").is_none()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Finished {
        let start = Instant::now();
        let status = loop {
            match self.process.try_wait().expect("a child") {
                Some(status) => break status,
                None if start.elapsed() > LIMIT => {
                    panic!("the worker must end; it said:\n{}", join(&self.heard.lines.lock().expect("no panic")));
                }
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        for listener in self.listeners.drain(..) {
            listener.join().expect("no listener panics");
        }
        let lines = self.heard.lines.lock().expect("no listener panics");
        let of = |is_log| lines.iter().filter(|line| line.is_log == is_log).map(|line| line.text.clone()).collect();
        Finished { status, log: of(true), notes: of(false) }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Finished {
    /// It must have ended by itself, with this code.
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "{:?}; it said:\n{}", self.status, self.text());
        self
    }

    /// It must have been ended by this signal.
    pub fn assert_signal(&self, signal: Signal) -> &Self {
        assert_eq!(self.status.signal(), Some(signal.as_raw()), "{:?}; it said:\n{}", self.status, self.text());
        self
    }

    /// The items that it said it was processing.
    pub fn processed(&self) -> Vec<String> {
        self.log.iter().filter_map(|line| line.strip_prefix("Processing dataset: ")).map(Into::into).collect()
    }

    /// Everything that it said.
    pub fn text(&self) -> String {
        [self.log.join("\n"), self.notes.join("\n")].join("\n")
    }
}

fn listen(stream: impl Read + Send + 'static, is_log: bool, heard: &Arc<Heard>) -> std::thread::JoinHandle<()> {
    let heard = Arc::clone(heard);
    std::thread::spawn(move || {
        for text in BufReader::new(stream).lines() {
            let line = Line { is_log, text: text.expect("text"), at: Instant::now() };
            heard.lines.lock().expect("no listener panics").push(line);
            heard.more.notify_all();
        }
        let _lines = heard.lines.lock().expect("no listener panics");
        heard.ended.fetch_add(1, Ordering::SeqCst);
        heard.more.notify_all();
    })
}

fn join(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
}
