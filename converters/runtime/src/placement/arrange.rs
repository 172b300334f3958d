//! Addresses for all objects with their new sizes.

use super::{ALIGNMENT, Place, PlacementError};
use crate::item::Setting;
use kconv_image::model::{KernelAddr, Machine, ObjectId};
use std::collections::BTreeMap;

/// The address of every whole object after a step; 0 for all others.
pub(super) fn arrange(
    setting: Setting<'_>,
    places: &[Place],
) -> Result<Vec<KernelAddr>, PlacementError> {
    let place = |id: ObjectId| &places[id.0 as usize];
    let ids = || {
        let all = (0..places.len() as u32).map(ObjectId);
        all.filter(|id| place(*id).after.is_whole())
    };
    let size = |id: ObjectId| place(id).new_size;
    let ty = |id: ObjectId| place(id).ty;
    let top: u64 = match setting.machine {
        Machine::I386 => 1 << 32,
        Machine::X86_64 => u64::MAX,
    };
    let no_room = |id: ObjectId| PlacementError::NoRoom {
        address: place(id).object.home,
        ty: setting.type_name(&place(id).object).to_owned(),
    };

    // An object that came out of its folds has its home; one that was made never had one.
    let made = |id: ObjectId| place(id).object.part_of.is_some() && !place(id).before.is_folded();
    let (mut homes, mut made): (Vec<ObjectId>, Vec<ObjectId>) = ids()
        .filter(|id| ty(*id).anchor.is_none() && ty(*id).behind.is_none())
        .partition(|id| !made(*id));
    homes.sort_by_key(|id| place(*id).object.home);
    let followers = followers(setting, places, ids())?;
    let block = |id: ObjectId| {
        let own = size(id).max(ty(id).extent.map_or(0, u64::from));
        let follower = followers.get(&id).map_or(0, |follower| size(*follower));
        own.saturating_add(follower)
    };
    let mut addresses = vec![KernelAddr(0); places.len()];
    let mut moved = Vec::new();
    let mut end = 0;
    for (index, id) in homes.iter().enumerate() {
        let home = place(*id).object.home.0;
        let room = match homes.get(index + 1) {
            Some(next) => place(*next).object.home.0 - home,
            None => top - home,
        };
        if block(*id) <= room {
            addresses[id.0 as usize] = KernelAddr(home);
        } else {
            moved.push(*id);
        }
        end = end.max(home.saturating_add(block(*id)));
    }
    moved.sort_unstable();
    // By what the image says, and not by the step that made them.
    made.sort_unstable_by_key(|id| (place(*id).object.home, ty(*id).name, *id));
    for id in moved.into_iter().chain(made) {
        let align = match ty(id).extent {
            // A stack is found from any address on it, so its block is aligned to its size.
            Some(extent) if extent.is_power_of_two() => u64::from(extent),
            _ => ALIGNMENT,
        };
        let start = end
            .checked_next_multiple_of(align)
            .ok_or_else(|| no_room(id))?;
        end = start
            .checked_add(block(id))
            .filter(|end| *end <= top)
            .ok_or_else(|| no_room(id))?;
        addresses[id.0 as usize] = KernelAddr(start);
    }
    for (owner, follower) in &followers {
        let start = addresses[owner.0 as usize].0.checked_add(size(*owner));
        let start = start.ok_or_else(|| no_room(*follower))?;
        addresses[follower.0 as usize] = KernelAddr(start);
    }
    for id in ids() {
        if let Some(anchor) = ty(id).anchor {
            let owner = addresses[place(id).object.owner.0 as usize].0;
            addresses[id.0 as usize] = (owner + u64::from(anchor.end))
                .checked_sub(size(id))
                .map(KernelAddr)
                .ok_or_else(|| no_room(id))?;
        }
    }
    Ok(addresses)
}

/// Objects that lie right behind others, by those. An image may say anything; each has to lie where
/// its owner, which is of the right type, ends, and there is room for one.
fn followers(
    setting: Setting<'_>,
    places: &[Place],
    ids: impl Iterator<Item = ObjectId>,
) -> Result<BTreeMap<ObjectId, ObjectId>, PlacementError> {
    let mut followers = BTreeMap::new();
    for id in ids {
        let place = &places[id.0 as usize];
        let Some(behind) = place.ty.behind else {
            continue;
        };
        let owner = place.object.owner;
        let is_owner = |owner: &&Place| {
            let end = owner.old.checked_add(owner.old_size);
            // One that comes out of its owner lay inside of it.
            let lies_there = !place.before.is_whole() || end == Some(place.old);
            owner.ty.name == behind && owner.after.is_whole() && lies_there
        };
        let found = places.get(owner.0 as usize).filter(is_owner);
        if found.is_none() || followers.insert(owner, id).is_some() {
            return Err(PlacementError::NotBehind {
                address: place.object.address,
                ty: setting.type_name(&place.object).to_owned(),
                owner: behind,
            });
        }
    }
    Ok(followers)
}
