//! Records of the kernel programs, in front of the decoder and of the whole engine.
//!
//! An input is records with [`SEPARATOR`](crate::steps::SEPARATOR) between them. Held to be true: what is decoded is what the bytes say, whatever
//! they are the engine goes on, and it can be asked for its graph at the end. Invariant: as said. Memory: [`MOST`].

use tracer_core::Engine;
use tracer_core::decode::{Record, decode};
use tracer_core::engine::Config;
use tracer_core::input::{Input, Output, ProcessFacts, Start};
use tracer_core::time::{Moment, Span, Wall};
use zerocopy::IntoBytes as _;

use crate::steps::parts;
use crate::{Use, memory};

const MOST: usize = 64 << 20;
/// Records after which a second has passed.
const A_SECOND: usize = 4;

pub(crate) fn run(input: &[u8]) -> Use {
    let mut is_record = false;
    memory::within(MOST, || {
        let mut engine = Engine::new(Config { window: Span::from_seconds(2), ..Config::default() });
        let (mut out, mut now) = (Vec::new(), Moment(1_000_000_000));
        let start = Start { host: "host".to_owned(), at: now, wall: Wall(0), boottime_ahead: 0 };
        engine.handle(&Input::Start(start), &mut out);
        for (number, bytes) in parts(input).into_iter().enumerate() {
            if let Ok(record) = decode(bytes) {
                is_record = true;
                is_same(&record, bytes);
            }
            engine.record(bytes, &mut out);
            answer(&mut engine, &mut out);
            if number % A_SECOND == A_SECOND - 1 {
                now = now.after(Span::from_seconds(1));
                engine.handle(&Input::Tick { at: now, wall: Wall(0) }, &mut out);
                answer(&mut engine, &mut out);
            }
        }
        engine.handle(&Input::End, &mut out);
        engine.handle(&Input::Tick { at: now.after(Span::from_seconds(1)), wall: Wall(0) }, &mut out);
        let _ = engine.snapshot();
    });
    if is_record { Use::Keep } else { Use::Reject }
}

/// A record says what its bytes say.
fn is_same(record: &Record<'_>, bytes: &[u8]) {
    let told = match record {
        Record::Socket(record) => record.as_bytes(),
        Record::Exchange(record) => record.as_bytes(),
        Record::Exec(record) => record.as_bytes(),
        Record::Fork(record) => record.as_bytes(),
        Record::Flow(record) => record.as_bytes(),
        Record::Payload(record) => record.as_bytes(),
        Record::Stream(head, told) => {
            assert_eq!(head.as_bytes(), &bytes[..size_of_val(head)]);
            assert_eq!(*told, &bytes[size_of_val(head)..][..told.len()]);
            return;
        }
    };
    assert_eq!(told, &bytes[..told.len()]);
}

/// Names every process that the engine asks for.
fn answer(engine: &mut Engine, out: &mut Vec<Output>) {
    let mut more = Vec::new();
    for output in out.drain(..) {
        let Output::Need(process) = output else { continue };
        let exe = format!("/usr/bin/program-{}", process.pid % 7).into_bytes();
        let facts = ProcessFacts {
            process,
            uid: Some(0),
            comm: Some(b"program".to_vec()),
            exe: Some(exe.clone()),
            arguments: vec![exe],
            variable: None,
            cgroup: None,
            container: None,
            elder: None,
            ancestors: Vec::new(),
        };
        engine.handle(&Input::Process(facts), &mut more);
    }
}
