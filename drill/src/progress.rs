//! What the drill says while it works. One type owns the terminal, so that lines of things that run
//! side by side never mix.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::lock::lock;

/// How often the elapsed times on a terminal are redrawn.
const REDRAW: Duration = Duration::from_millis(200);
/// How much of a detail a plain line shows, in characters.
const PLAIN_DETAIL: usize = 90;
/// Without a terminal, how often a running task may say something.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);
/// Terminal width in columns when the terminal does not tell.
const DEFAULT_WIDTH: u16 = 100;

/// The drill's output: a live line for each running task on a terminal, plain lines elsewhere.
/// Clones write to the same place.
#[derive(Clone, Debug)]
pub struct Progress {
    screen: Arc<Mutex<Screen>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
    Nowhere,
}

#[derive(Debug)]
struct Screen {
    stream: Stream,
    live: bool,
    tasks: Vec<Running>,
    next_id: u64,
    /// Lines of running tasks that stand below the last permanent line now.
    drawn: usize,
}

#[derive(Debug)]
struct Running {
    id: u64,
    name: String,
    detail: String,
    started: Instant,
    said: Instant,
}

impl Progress {
    /// Writes to standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::new(Stream::Out, io::stdout().is_terminal())
    }

    /// Writes to standard error; for runs whose standard output is read by a program.
    #[must_use]
    pub fn stderr() -> Self {
        Self::new(Stream::Err, io::stderr().is_terminal())
    }

    /// Writes nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(Stream::Nowhere, false)
    }

    fn new(stream: Stream, live: bool) -> Self {
        let screen = Arc::new(Mutex::new(Screen { stream, live, tasks: Vec::new(), next_id: 0, drawn: 0 }));
        if live {
            keep_redrawing(Arc::downgrade(&screen));
        }
        Self { screen }
    }

    /// Whether running tasks are shown as live lines.
    #[must_use]
    pub fn is_live(&self) -> bool {
        lock(&self.screen).live
    }

    /// Writes a line that stays.
    pub fn line(&self, text: impl AsRef<str>) {
        lock(&self.screen).permanent(text.as_ref());
    }

    /// Shows a task as running until [`Task::done`] or [`Task::failed`].
    pub fn task(&self, name: impl Into<String>) -> Task {
        let mut screen = lock(&self.screen);
        let id = screen.next_id;
        screen.next_id += 1;
        let now = Instant::now();
        let running = Running { id, name: name.into(), detail: String::new(), started: now, said: now };
        if !screen.live {
            let text = format!("      {} …", running.name);
            screen.permanent(&text);
        }
        screen.tasks.push(running);
        screen.redraw();
        drop(screen);
        Task { progress: self.clone(), id, ended: false }
    }
}

/// A task that is running.
#[derive(Debug)]
pub struct Task {
    progress: Progress,
    id: u64,
    ended: bool,
}

impl Task {
    /// Says what the task is at.
    pub fn update(&self, detail: impl Into<String>) {
        lock(&self.progress.screen).update(self.id, detail.into());
    }

    /// Ends the task as successful.
    pub fn done(mut self, outcome: impl AsRef<str>) {
        self.end("ok", outcome.as_ref());
    }

    /// Ends the task as failed.
    pub fn failed(mut self, outcome: impl AsRef<str>) {
        self.end("FAIL", outcome.as_ref());
    }

    fn end(&mut self, mark: &str, outcome: &str) {
        self.ended = true;
        lock(&self.progress.screen).end(self.id, mark, outcome);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.ended {
            self.end("--", "stopped");
        }
    }
}

impl Screen {
    fn permanent(&mut self, text: &str) {
        self.erase();
        self.write(&format!("{text}\n"));
        self.redraw();
    }

    fn update(&mut self, id: u64, detail: String) {
        let live = self.live;
        let Some(task) = self.tasks.iter_mut().find(|task| task.id == id) else { return };
        if task.detail == detail {
            return;
        }
        task.detail = detail;
        if !live && task.said.elapsed() >= PLAIN_INTERVAL {
            task.said = Instant::now();
            // What a program says of itself may be long; the whole of it is in its log.
            let detail: String = task.detail.chars().take(PLAIN_DETAIL).collect();
            let text = format!("      {}: {detail}", task.name);
            self.permanent(&text);
        }
    }

    fn end(&mut self, id: u64, mark: &str, outcome: &str) {
        let Some(place) = self.tasks.iter().position(|task| task.id == id) else { return };
        let task = self.tasks.remove(place);
        let seconds = task.started.elapsed().as_secs_f64();
        let separator = if outcome.is_empty() { "" } else { ": " };
        self.permanent(&format!("{mark:>4}  {}{separator}{outcome} ({seconds:.1} s)", task.name));
    }

    fn erase(&mut self) {
        if self.drawn > 0 {
            // Up by the number of live lines, then clear to the end of the screen.
            let sequence = format!("\x1b[{}A\x1b[J", self.drawn);
            self.drawn = 0;
            self.write(&sequence);
        }
    }

    fn redraw(&mut self) {
        if !self.live {
            return;
        }
        self.erase();
        let width = usize::from(self.width());
        let text: String = self.tasks.iter().map(|task| live_line(task, width)).collect();
        self.drawn = self.tasks.len();
        self.write(&text);
    }

    fn width(&self) -> u16 {
        let size = match self.stream {
            Stream::Out => rustix::termios::tcgetwinsize(io::stdout()),
            Stream::Err => rustix::termios::tcgetwinsize(io::stderr()),
            Stream::Nowhere => return DEFAULT_WIDTH,
        };
        size.map_or(DEFAULT_WIDTH, |size| if size.ws_col == 0 { DEFAULT_WIDTH } else { size.ws_col })
    }

    fn write(&self, text: &str) {
        // A closed pipe (`cargo drill | head`) must not end the drill in the middle of its clean-up.
        let _ignored = match self.stream {
            Stream::Out => write_all(&mut io::stdout().lock(), text),
            Stream::Err => write_all(&mut io::stderr().lock(), text),
            Stream::Nowhere => Ok(()),
        };
    }
}

fn write_all(stream: &mut impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

fn live_line(task: &Running, width: usize) -> String {
    let seconds = task.started.elapsed().as_secs();
    let separator = if task.detail.is_empty() { "" } else { ": " };
    let line = format!("{seconds:>3}s  {}{separator}{}", task.name, task.detail);
    // One column is left free: a line that fills the width wraps on some terminals.
    let mut cut: String = line.chars().filter(|c| !c.is_control()).take(width.saturating_sub(1)).collect();
    cut.push('\n');
    cut
}

/// Redraws until the last [`Progress`] is gone.
fn keep_redrawing(screen: Weak<Mutex<Screen>>) {
    thread::spawn(move || {
        while let Some(screen) = screen.upgrade() {
            {
                let mut screen = lock(&screen);
                if !screen.tasks.is_empty() {
                    screen.redraw();
                }
            }
            drop(screen);
            thread::sleep(REDRAW);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(detail: &str) -> Running {
        let now = Instant::now();
        Running { id: 0, name: "building".to_owned(), detail: detail.to_owned(), started: now, said: now }
    }

    #[test]
    fn a_live_line_never_reaches_the_last_column() {
        let line = live_line(&running(&"x".repeat(200)), 40);
        assert_eq!(line.chars().count(), 40, "39 columns and the line feed");
    }

    #[test]
    fn a_live_line_carries_no_control_characters_of_a_program() {
        assert_eq!(live_line(&running("a\x1b[2Jb\r"), 80), "  0s  building: a[2Jb\n");
    }

    #[test]
    fn a_task_that_ended_is_no_longer_running() {
        let progress = Progress::silent();
        progress.task("one").done("");
        progress.task("two").failed("no");
        drop(progress.task("three"));
        assert!(lock(&progress.screen).tasks.is_empty());
    }
}
