//! Where new calls and alerts are told: a sink writes lines, on a thread of its own.
//!
//! Invariant: the observation never waits for a sink: a bounded queue stands between, which drops the oldest when it
//! is full and counts that. Memory: `queue::CAPACITY` outputs.

pub(crate) mod columns;
pub(crate) mod json;
pub(crate) mod queue;
pub(crate) mod text;

use queue::Queue;
use std::io::Write;
use std::sync::Arc;
use std::thread::JoinHandle;
use tracer_core::Output;

/// Makes the line that tells an output; `None` for what is not to be told.
pub(crate) type Render = fn(&Output) -> Option<String>;

/// A sink that writes lines to a stream.
#[derive(Debug)]
pub(crate) struct Sink {
    queue: Arc<Queue<String>>,
    render: Render,
    writer: Option<JoinHandle<std::io::Result<()>>>,
}

impl Sink {
    /// Writes lines made by `render` to `stream`.
    pub(crate) fn start(render: Render, mut stream: impl Write + Send + 'static) -> Self {
        let queue = Arc::new(Queue::default());
        let lines = Arc::clone(&queue);
        let writer = std::thread::spawn(move || {
            while let Some(line) = lines.pop() {
                writeln!(stream, "{line}").and_then(|()| stream.flush())?;
            }
            Ok(())
        });
        Self { queue, render, writer: Some(writer) }
    }

    /// Tells an output.
    pub(crate) fn tell(&self, output: &Output) {
        if let Some(line) = (self.render)(output) {
            self.queue.push(line);
        }
    }

    /// Whether nobody reads any more: the stream is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.writer.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Writes what is queued and ends; says how many outputs were dropped. A stream that blocks is not waited for.
    pub(crate) fn finish(mut self) -> u64 {
        self.queue.close();
        let Some(writer) = self.writer.take() else { return self.queue.dropped() };
        let patience = std::time::Instant::now() + PATIENCE;
        while !writer.is_finished() && std::time::Instant::now() < patience {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        self.queue.dropped() + self.queue.left()
    }
}

/// How long the end waits for a stream that is slow.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);
