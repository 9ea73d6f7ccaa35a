//! How long the kernel programs are: what each may have at most, in instructions.
//!
//! Invariant: every program of both planes has a row, and none is longer than that; nor is what they share. Compilers
//! differ by a little, so there is a tenth of room. Memory: the objects.

use std::collections::BTreeMap;

use aya_obj::Object;

use super::plane::Plane;

/// The functions that programs share, all together.
const SHARED: &str = "shared";

/// Instructions at most, by program: on sockets, and on system calls.
const MOST: &[(&str, usize, usize)] = &[
    ("census", 2700, 4060),
    ("destroy", 1180, 1220),
    ("exec", 980, 1130),
    ("flows", 650, 650),
    ("fork", 140, 180),
    ("living", 30, 70),
    ("receive", 1000, 0),
    ("receive_address4", 60, 0),
    ("receive_address6", 60, 0),
    ("reset_received", 40, 40),
    ("reset_sent", 40, 40),
    ("retransmit", 50, 50),
    ("send", 1000, 0),
    ("send_address4", 60, 0),
    ("send_address6", 60, 0),
    ("shared", 8950, 17930),
    ("snapshot", 1330, 1400),
    ("stale", 40, 40),
    ("state", 2200, 2540),
    ("system_call", 0, 630),
];

/// Instructions by program.
fn lengths(plane: Plane) -> BTreeMap<String, usize> {
    let object = Object::parse(plane.object()).unwrap();
    let mut lengths = BTreeMap::new();
    for function in object.functions.values() {
        let name = if object.programs.contains_key(&function.name) { &function.name } else { SHARED };
        *lengths.entry(name.to_owned()).or_default() += function.instructions.len();
    }
    lengths
}

#[test]
fn no_kernel_program_has_more_instructions_than_were_agreed() {
    let [on_sockets, on_system_calls] = [Plane::Socket, Plane::Syscall].map(lengths);
    let names: Vec<&String> = on_sockets.keys().chain(on_system_calls.keys()).collect();
    let length = |lengths: &BTreeMap<String, usize>, name: &str| lengths.get(name).copied().unwrap_or(0);
    let mut longer = Vec::new();
    for name in names {
        let (sockets, system_calls) = (length(&on_sockets, name), length(&on_system_calls, name));
        let row = MOST.iter().find(|(known, ..)| known == name);
        if !row.is_some_and(|(_, one, other)| sockets <= *one && system_calls <= *other) {
            longer.push(format!("{name} has {sockets} on sockets, {system_calls} on system calls; its row is {row:?}"));
        }
    }
    assert!(longer.is_empty(), "more instructions than agreed:\n{}", longer.join("\n"));
}
