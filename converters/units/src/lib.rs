//! What systemd is to a machine whose tasks are carried over a boot: services, and what a [boot removes](Wiped).
//!
//! A service whose processes were frozen has to be that service after the thaw: with its name, its main process, its control
//! group and what its settings limit, and nothing may start a second copy of it. systemd has no way to be given the
//! processes of a service, but one to be told which process is the main one of a service that its own command
//! has started (`Type=forking` with `PIDFile=`, systemd.service(5)). So to start the service is to thaw it, for as
//! long as it waits: a drop-in below /run, which is made again early in each boot, has it run `kconv unit thaw` in
//! the place of its own commands. kconv makes the processes in the control group that systemd has made for the
//! service, and ends; then a second unit, which comes after the service, removes the drop-in.
//!
//! Ordering, dependencies, triggers and jobs are systemd's all along.
#![forbid(unsafe_code)]

mod error;
mod held;
mod owner;
mod service;
mod systemd;
mod wiped;

pub use error::UnitError;
pub use held::Held;
pub use owner::{Owner, owner_of};
pub use service::{Flaw, Service, processes_of_slice};
pub use systemd::{Properties, Systemd, Wait, boot_id};
pub use wiped::Wiped;
