//! Tapes round-trip, survive being cut, and never deliver an input that was not written.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tracer_core::Input;
use tracer_core::graph::snapshot::Degradation;
use tracer_core::identity::ProcessKey;
use tracer_core::input::{Ancestor, Loss, Overflow, ProcessFacts, Start};
use tracer_core::tape::{Ending, FRAME_BYTES, MAGIC, Reader, TapeError, TapeHeader, Writer};
use tracer_core::time::{Moment, Span, Wall};

fn header() -> TapeHeader {
    TapeHeader::new("0.1.0", "host", "6.18.0", Span::from_seconds(5), Wall(0))
}

/// A tape, and where it may end: after the header and after each frame.
fn write(inputs: &[Input]) -> (Vec<u8>, Vec<usize>) {
    let mut tape = Writer::header(&header()).unwrap();
    let mut ends = vec![tape.len()];
    for input in inputs {
        Writer::frame(input, &mut tape).unwrap();
        ends.push(tape.len());
    }
    (tape, ends)
}

/// Reads a tape in pieces of at most `piece` bytes: the inputs before the end or the error, and that.
fn read(tape: &[u8], piece: usize) -> (Vec<Input>, Result<Ending, TapeError>) {
    let mut reader = Reader::default();
    let mut inputs = Vec::new();
    for mut piece in tape.chunks(piece) {
        while !piece.is_empty() {
            piece = reader.feed(piece);
            loop {
                match reader.next_input() {
                    Ok(Some(input)) => inputs.push(input),
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(reader.next_input(), Err(error), "an error is final");
                        break;
                    }
                }
            }
        }
    }
    (inputs, reader.finish())
}

/// A frame as the format describes it, written without the writer.
fn raw_frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    [&length.to_le_bytes(), &crc32fast::hash(body).to_le_bytes(), body].concat()
}

fn raw_header(version: u16, json: &str) -> Vec<u8> {
    [&MAGIC[..], &version.to_le_bytes(), &raw_frame(json.as_bytes())].concat()
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn key() -> impl Strategy<Value = ProcessKey> {
    any::<(u32, u32, u64)>().prop_map(|(pid, exec, started)| ProcessKey { pid, exec, started })
}

fn facts() -> impl Strategy<Value = ProcessFacts> {
    (key(), ancestor(), option::of(ancestor()), vec(ancestor(), 0..3)).prop_map(|(process, own, elder, ancestors)| {
        let Ancestor { uid, comm, exe, arguments, cgroup, .. } = own;
        let elder = elder.map(Box::new);
        let container = uid.map(|uid| format!("container {uid}"));
        ProcessFacts { process, uid, variable: exe.clone(), comm, exe, arguments, cgroup, container, elder, ancestors }
    })
}

fn ancestor() -> impl Strategy<Value = Ancestor> {
    let some = || option::of(bytes());
    (any::<u32>(), any::<Option<u32>>(), some(), some(), vec(bytes(), 0..5), some())
        .prop_map(|(pid, uid, comm, exe, arguments, cgroup)| Ancestor { pid, uid, comm, exe, arguments, cgroup })
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        vec(any::<u8>(), 0..300).prop_map(Input::Record),
        facts().prop_map(Input::Process),
        any::<(String, u64, i64, u64)>().prop_map(|(host, at, wall, boottime_ahead)| {
            Input::Start(Start { host, at: Moment(at), wall: Wall(wall), boottime_ahead })
        }),
        any::<(u64, u64, u64)>().prop_map(|(ring_full, map_full, read_fault)| Input::Loss(Loss {
            ring_full,
            map_full,
            read_fault
        })),
        any::<(String, String)>().prop_map(|(name, reason)| Input::Degraded(Degradation { name, reason })),
        any::<u64>().prop_map(|began| Input::Looked { began: Moment(began) }),
        any::<(u64, i64)>().prop_map(|(at, wall)| Input::Tick { at: Moment(at), wall: Wall(wall) }),
    ]
}

proptest! {
    #[test]
    fn what_was_written_is_read_in_pieces_of_any_size(inputs in vec(input(), 0..12), piece in 1usize..2000) {
        let (tape, _) = write(&inputs);
        prop_assert_eq!(read(&tape, piece), (inputs, Ok(Ending::Clean)));
    }

    #[test]
    fn one_flipped_byte_is_noticed_and_what_precedes_it_is_read(
        inputs in vec(input(), 0..8), at in any::<prop::sample::Index>(), flip in 1u8..=255
    ) {
        let (mut tape, ends) = write(&inputs);
        let at = at.index(tape.len());
        tape[at] ^= flip;
        let whole = ends.iter().filter(|&&end| end <= at).count().saturating_sub(1);
        let (found, end) = read(&tape, 64);
        prop_assert_eq!(&found, &inputs[..whole]);
        prop_assert_ne!(end, Ok(Ending::Clean));
    }

    #[test]
    fn arbitrary_bytes_are_no_tape(bytes in vec(any::<u8>(), 1..300)) {
        prop_assume!(!MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]));
        prop_assert_eq!(read(&bytes, 50), (vec![], Err(TapeError::NotATape)));
    }

    #[test]
    fn arbitrary_frames_with_a_right_checksum_are_read_or_refused_at_their_offset(
        bodies in vec((0u8..9, vec(any::<u8>(), 0..60)), 1..6)
    ) {
        let (mut tape, ends) = write(&[]);
        for (kind, payload) in &bodies {
            tape.extend(raw_frame(&[&[*kind], payload.as_slice()].concat()));
        }
        match read(&tape, 33) {
            (inputs, Ok(end)) => prop_assert_eq!((inputs.len(), end), (bodies.len(), Ending::Clean)),
            (inputs, Err(TapeError::Frame { at_byte, .. })) => {
                let before = bodies[..inputs.len()].iter().map(|(_, payload)| 9 + payload.len()).sum::<usize>();
                prop_assert_eq!(at_byte, (ends[0] + before) as u64);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn arbitrary_bytes_after_the_header_never_make_an_input(bytes in vec(any::<u8>(), 0..200)) {
        let (mut tape, _) = write(&[]);
        tape.extend(&bytes);
        let (inputs, end) = read(&tape, 33);
        prop_assert!(inputs.is_empty());
        prop_assert_eq!(end == Ok(Ending::Clean), bytes.is_empty());
    }
}

fn one_of_each() -> Vec<Input> {
    let process = ProcessKey { pid: 7, exec: 1, started: 300 };
    vec![
        Input::Start(Start { host: "h".to_owned(), at: Moment(1), wall: Wall(-1), boottime_ahead: 2 }),
        Input::Record(vec![0xff, 0x00]),
        Input::Process(ProcessFacts {
            process,
            uid: Some(0),
            comm: Some(b"\xff".to_vec()),
            exe: None,
            arguments: vec![b"a".to_vec(), vec![]],
            variable: Some(b"v".to_vec()),
            cgroup: Some(b"/c".to_vec()),
            container: Some("n".to_owned()),
            elder: None,
            ancestors: vec![Ancestor {
                pid: 9,
                uid: None,
                comm: None,
                exe: Some(b"e".to_vec()),
                arguments: vec![],
                cgroup: Some(b"/".to_vec()),
            }],
        }),
        Input::Loss(Loss { ring_full: 1, map_full: 2, read_fault: 3 }),
        Input::Degraded(Degradation { name: "n".to_owned(), reason: "r".to_owned() }),
        Input::Tick { at: Moment(5), wall: Wall(6) },
        Input::Looked { began: Moment(7) },
        Input::End,
        Input::Hosts(vec![([1, 2, 3, 4].into(), "h".to_owned())]),
        Input::Users(vec![(0, "root".to_owned())]),
        Input::Overflows(vec![Overflow { netns: 1, address: [1, 2, 3, 4].into(), port: 80, dropped: 2 }]),
        Input::Settings(
            serde_json::from_str(r#""{\"rules\":[],\"policy\":{\"all\":{\"off\":\"stalled\"}}}""#).unwrap(),
        ),
    ]
}

#[test]
fn the_bytes_of_a_tape_of_format_2_do_not_change() {
    let bodies: [&[u8]; 12] = [
        &[2, 1, b'h', 1, 1, 2],
        &[1, 0xff, 0x00],
        &[
            3, 7, 1, 0xac, 2, 1, 0, 1, 1, 0xff, 0, 2, 1, b'a', 0, 1, 1, b'v', 1, 2, b'/', b'c', 1, 1, b'n', 0, 1, 9, 0,
            0, 1, 1, b'e', 0, 1, 1, b'/',
        ],
        &[4, 1, 2, 3],
        &[5, 1, b'n', 1, b'r'],
        &[6, 5, 12],
        &[7, 7],
        &[9],
        &[8, 1, 0, 1, 2, 3, 4, 1, b'h'],
        &[14, 1, 0, 4, b'r', b'o', b'o', b't'],
        &[16, 1, 1, 0, 1, 2, 3, 4, 80, 2],
        b"\x0d\x2f{\"rules\":[],\"policy\":{\"all\":{\"off\":\"stalled\"}}}",
    ];
    let json = r#"{"schema":"tracer.tape/1","tool":"0.1.0","host":"host","kernel":"6.18.0","abi":{"exchange":160,"exec":712,"flow":384,"header":16,"payload":1256,"socket":232,"stream":56},"window_ns":5000000000,"started":"1970-01-01T00:00:00.000Z"}"#;
    let mut expected = raw_header(2, json);
    expected.extend(bodies.into_iter().flat_map(raw_frame));
    assert_eq!(write(&one_of_each()).0, expected);
}

#[test]
fn a_tape_cut_anywhere_gives_all_whole_frames_and_a_warning() {
    let inputs = one_of_each();
    let (tape, ends) = write(&inputs);
    for cut in 0..tape.len() {
        let (found, end) = read(&tape[..cut], 7);
        let start = ends.iter().copied().rfind(|&end| end <= cut);
        let whole = ends.iter().filter(|&&end| end <= cut).count().saturating_sub(1);
        assert_eq!(found, inputs[..whole]);
        let at = start.unwrap_or(0);
        let cut_there = Ending::Cut { at_byte: at as u64, bytes: cut - at };
        assert_eq!(end, Ok(if start == Some(cut) { Ending::Clean } else { cut_there }), "cut at {cut}");
    }
}

#[test]
fn the_header_is_known_before_the_first_input() {
    let (tape, _) = write(&[]);
    let mut reader = Reader::default();
    assert!(reader.feed(&tape).is_empty());
    assert_eq!(reader.header(), None);
    assert_eq!(reader.next_input(), Ok(None));
    assert_eq!(reader.header(), Some(&header()));
}

#[test]
fn a_reader_takes_one_frame_at_a_time_however_much_it_is_fed() {
    let (tape, ends) = write(&one_of_each());
    let mut reader = Reader::default();
    let rest = reader.feed(&tape);
    assert_eq!(rest.len(), tape.len() - ends[0]);
    assert_eq!(reader.feed(rest), rest);
}

#[test]
fn the_largest_input_fits_and_a_larger_one_is_refused_without_a_trace() {
    let largest = Input::Record(vec![1; FRAME_BYTES - 1]);
    let (mut tape, ends) = write(std::slice::from_ref(&largest));
    let refused = Writer::frame(&Input::Record(vec![1; FRAME_BYTES]), &mut tape);
    assert_eq!(refused, Err(TapeError::TooLarge { bytes: FRAME_BYTES + 1 }));
    assert_eq!(tape.len(), ends[1]);
    assert_eq!(read(&tape, 10_000), (vec![largest], Ok(Ending::Clean)));
    let long = TapeHeader { host: "h".repeat(FRAME_BYTES), ..header() };
    assert!(matches!(Writer::header(&long), Err(TapeError::TooLarge { .. })));
}

#[test]
fn a_frame_longer_than_the_limit_is_an_error_that_names_its_byte_before_its_bytes_arrive() {
    let (mut tape, ends) = write(&one_of_each());
    tape.extend(u32::MAX.to_le_bytes());
    tape.extend([0; 4]);
    let (inputs, end) = read(&tape, 100);
    assert_eq!(inputs, one_of_each());
    let message = end.unwrap_err().to_string();
    assert!(message.contains(&format!("at byte {}", ends[one_of_each().len()])), "{message}");
    assert!(message.contains("4294967295 bytes, the most is 65536"), "{message}");
}

#[test]
fn a_sound_frame_whose_content_is_not_of_its_kind_is_refused_with_the_reason() {
    let cases: [(&[u8], &str); 4] = [
        (&[], "an empty frame"),
        (&[99, 1], "the unknown kind 99"),
        (&[4, 1, 2, 3, 4], "1 bytes more than its kind of frame has"),
        (&[4, 1, 2], "its content is not of its kind"),
    ];
    for (body, reason) in cases {
        let (mut tape, ends) = write(&one_of_each());
        tape.extend(raw_frame(body));
        let (inputs, end) = read(&tape, 100);
        assert_eq!(inputs, one_of_each());
        let message = end.unwrap_err().to_string();
        assert!(
            message.contains(&format!("at byte {}", ends[one_of_each().len()])) && message.contains(reason),
            "{message}"
        );
    }
}

#[test]
fn a_tape_of_another_version_or_layout_names_the_tracer_that_wrote_it() {
    let newer = raw_header(3, r#"{"tool":"9.9\u001b[31m","new":true}"#);
    let error = read(&newer, 100).1.unwrap_err();
    assert_eq!(error, TapeError::Version { found: 3, tool: r"9.9\u{1b}[31m".to_owned() });

    let mut other = header();
    other.abi.insert("socket".to_owned(), 224);
    let message = read(&Writer::header(&other).unwrap(), 100).1.unwrap_err().to_string();
    assert!(
        message.contains("socket 224, stream 56; this tracer has") && message.contains("version 0.1.0"),
        "{message}"
    );

    let unreadable = raw_header(3, "not JSON");
    assert!(read(&unreadable, 100).1.unwrap_err().to_string().ends_with("version unknown"));
}

#[test]
fn a_header_of_another_schema_is_refused() {
    let other = TapeHeader { schema: "tracer.graph/1".to_owned(), ..header() };
    let end = read(&Writer::header(&other).unwrap(), 100).1;
    assert!(matches!(end, Err(TapeError::Header { .. })), "{end:?}");
}

#[test]
fn a_foreign_file_is_known_by_its_first_byte() {
    assert_eq!(read(b"{", 1).1, Err(TapeError::NotATape));
    assert_eq!(read(b"", 1).1, Ok(Ending::Cut { at_byte: 0, bytes: 0 }));
}

#[test]
fn the_rules_of_naming_are_in_the_header_and_those_that_cannot_be_used_are_refused() {
    let rules = serde_json::from_str(r#"[{"name":"shop","exe":"api*"}]"#).unwrap();
    let with_rules = header().with_rules(rules);
    let tape = Writer::header(&with_rules).unwrap();
    let mut reader = Reader::default();
    assert!(reader.feed(&tape).is_empty());
    assert_eq!(reader.next_input(), Ok(None));
    assert_eq!(reader.header(), Some(&with_rules));

    let json = serde_json::to_string(&with_rules).unwrap().replace("api*", "[");
    let message = read(&raw_header(2, &json), 100).1.unwrap_err().to_string();
    assert!(message.contains("the pattern `[` cannot be used"), "{message}");
}
