//! How the programs see a socket as one of TCP, and walk from one kernel object to others: by a function of the kernel's
//! that the verifier takes out again, where the compiled object has a call of a helper or takes the object as it is.
//!
//! A helper costs a call and a return each time, on each input and output, and returns are what costs most where processors
//! are guarded against Spectre and its kin. Walking from an object that the verifier trusts costs while the programs are
//! loaded: for each pointer, on each path, it looks through all of the kernel's types several times for whether that one may
//! be trusted as well (`btf_nested_type_is_trusted` in `kernel/bpf/btf.c`). The function (`bpf_rdonly_cast`, since Linux 6.2) is known by its number in the kernel's BTF,
//! which no compiler knows. Invariant: nothing but those instructions changes, and only in code; without the function the
//! object works as it is. Memory: a copy of the object while it is loaded.

use anyhow::{Context as _, Result, ensure};
use btf_rs::{Btf, Type};
use object::{Object as _, ObjectSection as _, SectionFlags, elf::SHF_EXECINSTR};
use std::borrow::Cow;
use tracer_common::Cast as Call;

/// The numbers of the function and of the types in the running kernel's BTF.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cast {
    function: u32,
    pub(super) tcp_sock: u32,
    pub(super) sock: u32,
    pub(super) task_struct: u32,
}

impl Cast {
    /// `None` where the kernel does not have them.
    pub(super) fn of(btf: &Btf) -> Option<Self> {
        let number = |name: &str, fits: fn(&Type) -> bool| {
            let mut numbers = btf.resolve_ids_by_name(name).ok()?.into_iter();
            numbers.find(|number| btf.resolve_type_by_id(*number).is_ok_and(|found| fits(&found)))
        };
        let structure = |name| number(name, |found| matches!(found, Type::Struct(_)));
        Some(Self {
            function: number("bpf_rdonly_cast", |found| matches!(found, Type::Func(_)))?,
            tcp_sock: structure("tcp_sock")?,
            sock: structure("sock")?,
            task_struct: structure("task_struct")?,
        })
    }

    /// Puts the function in the place of each call of the helper, and of each marked instruction that takes an object as it is.
    pub(super) fn put_into(self, object: &[u8]) -> Result<Cow<'_, [u8]>> {
        let parsed = object::File::parse(object).context("the object of the programs cannot be understood")?;
        let is_code =
            |flags| matches!(flags, SectionFlags::Elf { sh_flags } if sh_flags & u64::from(SHF_EXECINSTR) != 0);
        let code = parsed.sections().filter(|section| is_code(section.flags()));
        let mut changed = object.to_vec();
        for (start, length) in code.filter_map(|section| section.file_range()) {
            let (start, length) = (usize::try_from(start)?, usize::try_from(length)?);
            let instructions = start.checked_add(length).and_then(|end| changed.get_mut(start..end));
            let (instructions, rest) = instructions.context("a section is beyond the object")?.as_chunks_mut();
            ensure!(rest.is_empty(), "a section of code ends within an instruction");
            let mut is_marked = false;
            for instruction in instructions {
                let is_walk = is_marked && *instruction == Call::of_itself();
                is_marked = *instruction == Call::of_mark();
                if is_walk || *instruction == Call::of_helper() {
                    *instruction = Call::of_function(self.function);
                }
            }
        }
        Ok(Cow::Owned(changed))
    }
}

#[cfg(test)]
mod tests {
    use super::super::plane::Plane;
    use super::*;

    const CAST: Cast = Cast { function: 4711, tcp_sock: 1, sock: 2, task_struct: 3 };

    #[test]
    fn every_place_for_the_function_becomes_a_call_of_it_and_nothing_else_changes() {
        let (object, cast) = (Plane::Socket.object(), CAST);
        let changed = cast.put_into(object).unwrap();
        assert_eq!(object.len(), changed.len());
        let pairs = object.as_chunks::<8>().0.iter().zip(changed.as_chunks::<8>().0);
        let different: Vec<_> = pairs.filter(|(before, after)| before != after).collect();
        assert!(!different.is_empty());
        for before in [Call::of_helper(), Call::of_itself()] {
            assert!(different.contains(&(&before, &Call::of_function(4711))), "{before:?}");
        }
        let is_place = |before: &[u8; 8]| [Call::of_helper(), Call::of_itself()].contains(before);
        assert!(different.iter().all(|(before, after)| is_place(before) && **after == Call::of_function(4711)));
        let marked = object.windows(16).filter(|pair| *pair == [Call::of_mark(), Call::of_itself()].concat()).count();
        assert_eq!(different.iter().filter(|(before, _)| **before == Call::of_itself()).count(), marked);
        assert_eq!(cast.put_into(&changed).unwrap(), changed, "none is left");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(CAST.put_into(b"no object").is_err());
    }
}
