//! The pointers in saved objects that lead out of the image: to symbols and to resources.

use crate::error::{Fault, Finding, Flaw};
use crate::family::{Family, Reference};
use crate::places::Place;
use crate::walk::Walked;
use kconv_image::{KernelAddr, ObjectId, Slot, SlotTarget, Symbol, SymbolId};
use kernel_structs::state::Policy;
use std::collections::BTreeMap;

/// What the saved objects point at outside the image.
#[derive(Default)]
pub(crate) struct Slots {
    /// By object and offset.
    pub(crate) slots: Vec<Slot>,
    /// In the order in which they were met.
    pub(crate) symbols: Vec<Symbol>,
    pub(crate) findings: Vec<Finding>,
    by_address: BTreeMap<KernelAddr, SymbolId>,
}

/// Names every pointer to a symbol or a resource that is not null.
pub(crate) fn slots(walked: &Walked<'_>, family: &mut dyn Family) -> Slots {
    let mut found = Slots::default();
    let word = walked.memory.layout().target().pointer_size;
    for (object, saved) in walked.objects.iter().enumerate() {
        let ty = walked.types.get(saved.ty);
        let first = found.slots.len();
        for index in 0..saved.count {
            let start = u64::from(index) * ty.size;
            let bytes = saved.bytes.get(start as usize..).unwrap_or_default();
            for (offset, place) in ty.places_in(bytes) {
                let offset = start + offset;
                if matches!(place.rule.policy, Policy::Follow(_)) {
                    continue;
                }
                let value = match walked.number(object, offset, word, &place.path) {
                    Ok(value) => value,
                    Err(error) => {
                        let place = walked.place(object, place.path.clone(), None);
                        let flaw = Fault::from(error).into();
                        found.findings.push(Finding { place, flaw });
                        continue;
                    }
                };
                if value == 0 {
                    continue;
                }
                let at = KernelAddr(value);
                let is_reset = matches!(place.rule.policy, Policy::Reset { .. });
                match found.target(walked, family, object, offset - place.offset, place, at) {
                    Ok(target) => {
                        let (object, offset) = (ObjectId(object as u32), offset as u32);
                        found.slots.push(Slot {
                            object,
                            offset,
                            target,
                        });
                    }
                    // What is reset may be anywhere, and is kept as the number that it is.
                    Err(Flaw::NoSymbol) if is_reset => {}
                    Err(flaw) => {
                        if flaw.is_of_state() {
                            // Whoever judges the image sees that there is something.
                            let target = SlotTarget::Resource(family.not_carried(at));
                            let (object, offset) = (ObjectId(object as u32), offset as u32);
                            found.slots.push(Slot {
                                object,
                                offset,
                                target,
                            });
                        }
                        let place = walked.place(object, place.path.clone(), Some(value));
                        found.findings.push(Finding { place, flaw });
                    }
                }
            }
        }
        // Members of a union may be declared in another order than they lie.
        found.slots[first..].sort_unstable_by_key(|slot| slot.offset);
    }
    found
}

impl Slots {
    fn target(
        &mut self,
        walked: &Walked<'_>,
        family: &mut dyn Family,
        object: usize,
        start: u64,
        place: &Place<'_>,
        at: KernelAddr,
    ) -> Result<SlotTarget, Flaw> {
        let Policy::Resource { kind, mount } = &place.rule.policy else {
            return Ok(SlotTarget::Symbol(self.symbol(walked, at)?));
        };
        let mount = match mount {
            None => None,
            Some(sibling) => walked.around(object, start, place)?.pointer(sibling)?,
        };
        let reference = Reference { kind, at, mount };
        Ok(SlotTarget::Resource(family.resource(&reference)?))
    }

    fn symbol(&mut self, walked: &Walked<'_>, at: KernelAddr) -> Result<SymbolId, Flaw> {
        if let Some(id) = self.by_address.get(&at) {
            return Ok(*id);
        }
        let (name, offset) = walked.memory.source.symbolise(at).ok_or(Flaw::NoSymbol)?;
        let id = SymbolId(self.symbols.len() as u32);
        self.symbols.push(Symbol {
            name,
            offset,
            origin: at,
        });
        self.by_address.insert(at, id);
        Ok(id)
    }
}
