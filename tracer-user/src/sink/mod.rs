//! Where new calls and alerts are told: a sink writes lines, in a runtime of its own.
//!
//! Invariant: the observation never waits for a sink: a bounded queue stands between, which drops the oldest when it
//! is full and counts that. Memory: `queue::CAPACITY` lines.

pub(crate) mod alerts;
pub(crate) mod columns;
pub(crate) mod json;
pub(crate) mod queue;
pub(crate) mod text;

use anyhow::{Context as _, Result};
use queue::Queue;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tracer_core::Output;

/// How long the end waits for a stream that is read slowly.
const PATIENCE: Duration = Duration::from_millis(500);

/// Makes the line that tells an output; `None` for what is not to be told.
pub(crate) type Render = fn(&Output) -> Option<String>;

/// A sink that writes lines to a stream.
#[derive(Debug)]
pub(crate) struct Sink {
    queue: Arc<Queue<String>>,
    render: Render,
    runtime: Runtime,
    writer: JoinHandle<std::io::Result<()>>,
}

impl Sink {
    /// Writes lines made by `render` to `stream`.
    pub(crate) fn start(render: Render, stream: impl AsyncWrite + Send + Unpin + 'static) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("sinks").enable_time().build();
        let runtime = runtime.context("start the runtime of the sinks")?;
        let queue = Arc::new(Queue::default());
        let writer = runtime.spawn(write(Arc::clone(&queue), stream));
        Ok(Self { queue, render, runtime, writer })
    }

    /// Tells an output.
    pub(crate) fn tell(&self, output: &Output) {
        if let Some(line) = (self.render)(output) {
            self.queue.push(line);
        }
    }

    /// Whether nobody reads any more: the stream is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.writer.is_finished()
    }

    /// Writes what is queued and ends; says how many lines were dropped, those included that could not be written
    /// in time.
    pub(crate) fn finish(self) -> u64 {
        self.queue.close();
        // What a slow reader does not take in time stays in the queue, and is counted.
        let _ = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, self.writer).await });
        self.runtime.shutdown_background();
        self.queue.dropped() + self.queue.left()
    }
}

async fn write(lines: Arc<Queue<String>>, mut stream: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    while let Some(line) = lines.pop().await {
        stream.write_all(line.as_bytes()).await?;
        stream.write_all(b"\n").await?;
        stream.flush().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(output: &Output) -> Option<String> {
        matches!(output, Output::Need(_)).then(|| "line".to_owned())
    }

    fn output() -> Output {
        Output::Need(tracer_core::identity::ProcessKey { pid: 1, exec: 1, started: 1 })
    }

    #[test]
    fn a_reader_that_never_reads_holds_nothing_up_and_what_it_missed_is_counted() {
        let (_unread, stream) = tokio::io::duplex(1);
        let sink = Sink::start(told, stream).unwrap();
        (0..queue::CAPACITY + 100).for_each(|_| sink.tell(&output()));
        assert!(sink.finish() >= 99);
    }

    #[test]
    fn everything_is_written_before_the_end() {
        let (mut reader, stream) = tokio::io::duplex(1 << 16);
        let sink = Sink::start(told, stream).unwrap();
        (0..100).for_each(|_| sink.tell(&output()));
        assert_eq!(sink.finish(), 0);
        let runtime = Builder::new_current_thread().build().unwrap();
        let mut text = String::new();
        runtime.block_on(tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut text)).unwrap();
        assert_eq!(text.lines().count(), 100);
    }
}
