//! Where the running kernel keeps what the programs read, taken from its BTF.
//!
//! Invariant: every offset is found by name or the load fails naming the member. Memory: the BTF is dropped after use.

use super::cast::Cast;
use anyhow::{Context as _, Result, bail};
use btf_rs::{Btf, Struct, Type};
use tracer_common::Offsets;
use tracer_common::kernel::BIT_FIELDS;

/// The kernel's own type information.
pub(crate) const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// The offsets of the running kernel, and with what it lets a socket be seen as one of TCP.
pub(super) fn of_this_kernel() -> Result<(Vec<u32>, Option<Cast>)> {
    // Read whole: the library would read it in thousands of pieces.
    let bytes = std::fs::read(KERNEL_BTF).with_context(|| {
        format!("this kernel has no BTF ({KERNEL_BTF}): boot one that is built with CONFIG_DEBUG_INFO_BTF")
    })?;
    let btf = Btf::from_bytes(&bytes).with_context(|| format!("{KERNEL_BTF} cannot be understood"))?;
    let offsets = resolve(&btf).context("this kernel is not one that the tracer knows")?;
    Ok((offsets, Cast::of(&btf)))
}

/// The offsets in the order of [`Offsets::PATHS`].
fn resolve(btf: &Btf) -> Result<Vec<u32>> {
    Offsets::PATHS
        .iter()
        .map(|(structure, path)| {
            member_offset(btf, structure, path).with_context(|| format!("struct {structure}, member {path}"))
        })
        .collect()
}

/// The byte offset of a dotted member path in a structure, such as `a.b` or `a.b[2]`; in bits for a bit field.
fn member_offset(btf: &Btf, structure: &str, path: &str) -> Result<u32> {
    let mut kind = btf
        .resolve_types_by_name(structure)?
        .into_iter()
        .find(|found| matches!(found, Type::Struct(_)))
        .context("the kernel's BTF does not have it")?;
    let mut bits = 0_u32;
    for part in path.split('.') {
        let (name, index) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
            Some((name, index)) => (name, index.parse::<u32>().context("index")?),
            None => (part, 0),
        };
        let (Type::Struct(parent) | Type::Union(parent)) = &kind else { bail!("{name}: its parent is no structure") };
        let (offset, next) = find_member(btf, parent, name)?.with_context(|| format!("no member {name}"))?;
        let element = if index == 0 { 0 } else { index * element_bits(btf, &next)? };
        bits = bits.checked_add(offset + element).context("offset out of range")?;
        kind = next;
    }
    if BIT_FIELDS.contains(&path) {
        return Ok(bits);
    }
    if !bits.is_multiple_of(8) {
        bail!("it does not begin at a byte");
    }
    Ok(bits / 8)
}

/// The size in bits of an element of an array of integers.
fn element_bits(btf: &Btf, kind: &Type) -> Result<u32> {
    let Type::Array(array) = kind else { bail!("it is no array") };
    let Type::Int(element) = strip(btf, btf.resolve_chained_type(array)?)? else { bail!("no array of integers") };
    Ok(u32::try_from(element.size() * 8)?)
}

/// Offset in bits and type of the member `name`, also inside unnamed structures and unions.
fn find_member(btf: &Btf, parent: &Struct, name: &str) -> Result<Option<(u32, Type)>> {
    for member in &parent.members {
        let found = btf.resolve_name(member).unwrap_or_default();
        if found == name {
            return Ok(Some((member.bit_offset(), strip(btf, btf.resolve_chained_type(member)?)?)));
        }
        if found.is_empty()
            && let Type::Struct(inner) | Type::Union(inner) = strip(btf, btf.resolve_chained_type(member)?)?
            && let Some((offset, kind)) = find_member(btf, &inner, name)?
        {
            return Ok(Some((member.bit_offset() + offset, kind)));
        }
    }
    Ok(None)
}

/// The type behind typedefs and qualifiers.
fn strip(btf: &Btf, mut kind: Type) -> Result<Type> {
    loop {
        kind = match &kind {
            Type::Typedef(inner) => btf.resolve_chained_type(inner)?,
            Type::Volatile(inner) | Type::Const(inner) | Type::Restrict(inner) => btf.resolve_chained_type(inner)?,
            Type::TypeTag(inner) => btf.resolve_chained_type(inner)?,
            _ => return Ok(kind),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_is_found_in_the_running_kernel_and_a_wrong_name_is_refused() {
        let Ok(btf) = Btf::from_file(KERNEL_BTF) else {
            println!("SKIPPED: this kernel has no BTF");
            return;
        };
        assert_eq!(resolve(&btf).unwrap().len(), Offsets::PATHS.len());
        let error = member_offset(&btf, "sock", "__sk_common.no_such_member").unwrap_err();
        assert!(format!("{error:#}").contains("no_such_member"));
        assert_eq!(member_offset(&btf, "sock_common", "skc_daddr").unwrap(), 0);
    }
}
