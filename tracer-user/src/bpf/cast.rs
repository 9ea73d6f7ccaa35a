//! How the programs see a socket as one of TCP: by a function of the kernel's that the verifier takes out again, where the
//! compiled object has a call of a helper.
//!
//! A helper costs a call and a return each time, on each input and output, and returns are what costs most where processors
//! are guarded against Spectre and its kin. The function (`bpf_rdonly_cast`, since Linux 6.2) is known by its number in the kernel's BTF,
//! which no compiler knows. Invariant: nothing but those calls changes, and only in code; without the function the object
//! works as it is. Memory: a copy of the object while it is loaded.

use anyhow::{Context as _, Result, ensure};
use btf_rs::{Btf, Type};
use object::{Object as _, ObjectSection as _, SectionFlags, elf::SHF_EXECINSTR};
use std::borrow::Cow;

/// The numbers of the function and of the type in the running kernel's BTF.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cast {
    function: u32,
    pub(super) tcp_sock: u32,
}

impl Cast {
    /// `None` where the kernel does not have them.
    pub(super) fn of(btf: &Btf) -> Option<Self> {
        let number = |name: &str, fits: fn(&Type) -> bool| {
            let mut numbers = btf.resolve_ids_by_name(name).ok()?.into_iter();
            numbers.find(|number| btf.resolve_type_by_id(*number).is_ok_and(|found| fits(&found)))
        };
        Some(Self {
            function: number("bpf_rdonly_cast", |found| matches!(found, Type::Func(_)))?,
            tcp_sock: number("tcp_sock", |found| matches!(found, Type::Struct(_)))?,
        })
    }

    /// Puts the function in the place of each call of the helper.
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
            for instruction in instructions.iter_mut().filter(|found| **found == tracer_common::Cast::of_helper()) {
                *instruction = tracer_common::Cast::of_function(self.function);
            }
        }
        Ok(Cow::Owned(changed))
    }
}

#[cfg(test)]
mod tests {
    use super::super::plane::Plane;
    use super::*;
    use tracer_common::Cast as Call;

    #[test]
    fn every_call_of_the_helper_becomes_one_of_the_function_and_nothing_else_changes() {
        let (object, cast) = (Plane::Socket.object(), Cast { function: 4711, tcp_sock: 1 });
        let changed = cast.put_into(object).unwrap();
        assert_eq!(object.len(), changed.len());
        let pairs = object.as_chunks::<8>().0.iter().zip(changed.as_chunks::<8>().0);
        let different: Vec<_> = pairs.filter(|(before, after)| before != after).collect();
        assert!(!different.is_empty());
        assert!(different.iter().all(|pair| *pair == (&Call::of_helper(), &Call::of_function(4711))), "{different:?}");
        assert_eq!(cast.put_into(&changed).unwrap(), changed, "none is left");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(Cast { function: 1, tcp_sock: 1 }.put_into(b"no object").is_err());
    }
}
