//! Pairs of sockets: both are made, and so both are in the image.

use super::found::Obstacles;
use crate::plan::Plan;
use kconv_codes::Code;
use kconv_resources::linux6::{PairedSocket, Resource};

/// That the other socket of a pair, if it was open, is one that the processes of the plan have open.
pub(super) fn check(task: i32, socket: &PairedSocket, plan: &Plan, found: &mut Obstacles<'_>) {
    let Some(peer) = socket.peer else {
        return;
    };
    let is_peer = |resource: Option<&Resource>| match resource {
        Some(Resource::PairedSocket(other)) => {
            other.inode == peer && other.peer == Some(socket.inode)
        }
        _ => false,
    };
    let mut files = plan.files.iter();
    if !files.any(|file| is_peer(plan.resources.get(file.resource))) {
        found.add(
            Code::FdSocketUnix,
            Some(task),
            format!("socket {}, one of a pair", socket.inode),
            "the other one with none of these tasks",
            format!("socket {peer} with one of them"),
            "freeze the process that has the other one with it (`kconv freeze --tree`)",
        );
    }
}
