//! Terminals. One is a task's own only as its controlling terminal, in a session that goes on
//! without the task: whoever has the number of a terminal at the thaw need not be who had it.

use super::descriptors::Descriptor;
use super::files::file_type;
use super::{Linux6, not_carried};
use crate::error::{Fault, Flaw};
use crate::memory::readable;
use kconv_codes::Code;
use kconv_image::{Escaped, KernelAddr};
use kconv_machine::Line;
use kconv_resources::linux6::Terminal;
use kconv_resources::{Bytes, Device};

/// Index of the session in `signal_struct.pids` (`include/linux/pid_types.h`: PIDTYPE_SID).
const SESSION: &str = "pids[3]";

impl Linux6<'_> {
    /// A controlling terminal.
    pub(super) fn tty(&self, at: KernelAddr) -> Result<Terminal, Fault> {
        let memory = self.walked.memory;
        let tty = memory.read("tty_struct", at)?;
        let driver = memory.read("tty_driver", tty.address("driver")?)?;
        let text = |field: &str| -> Result<Option<String>, Fault> {
            let text = driver.pointer(field)?;
            Ok(text.and_then(|text| memory.text(text, 64)))
        };
        let index = tty.signed("index")?;
        Ok(Terminal {
            driver: text("driver_name")?,
            driver_prefix: text("name")?,
            name: readable(tty.text("name")?),
            // drivers/tty/tty_io.c: tty_devnum.
            device: Device {
                major: driver.unsigned("major")? as u32,
                minor: (driver.signed("minor_start")? + index) as u32,
            },
            index,
            pgrp: self.pid_number(tty.pointer("ctrl.pgrp|pgrp")?)?,
            session: self.pid_number(tty.pointer("ctrl.session|session")?)?,
            rows: tty.unsigned("winsize.ws_row")?,
            columns: tty.unsigned("winsize.ws_col")?,
            termios: Bytes(tty.bytes("termios")?.to_vec()),
        })
    }

    /// Terminals that a thaw could not give back to the tasks.
    pub(super) fn terminals(
        &self,
        descriptors: &[Descriptor],
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        for task in 0..self.walked.tasks {
            if let Some(name) = self.terminal_that_it_leads(task)? {
                let what = format!(
                    "the controlling terminal {name} of a session whose leader is to be frozen"
                );
                refuse(task, "signal", not_carried(Code::TerminalLeader, what));
            }
        }
        for descriptor in descriptors {
            if let Some(what) = self.foreign_terminal(descriptor)? {
                let what = format!("descriptor {}, {what},", descriptor.number);
                let flaw = not_carried(Code::TerminalForeign, what);
                refuse(descriptor.task, "files", flaw);
            }
        }
        Ok(())
    }

    /// The terminal of the session that a task, the first of its process, leads.
    fn terminal_that_it_leads(&self, task: usize) -> Result<Option<String>, Fault> {
        let view = self.walked.view(task)?;
        let pid = view.signed("pid")?;
        if view.unsigned("exit_state")? != 0 || pid != view.signed("tgid")? {
            return Ok(None);
        }
        let memory = self.walked.memory;
        let Some(signal) = view.pointer("signal")? else {
            return Ok(None);
        };
        let signal = memory.read("signal_struct", signal)?;
        let Some(tty) = signal.pointer("tty")? else {
            return Ok(None);
        };
        match self.pid_number(signal.pointer(SESSION)?)? == pid {
            true => Ok(Some(readable(
                memory.read("tty_struct", tty)?.text("name")?,
            ))),
            false => Ok(None),
        }
    }

    /// What a descriptor leads to, if that is a terminal that is not the process's own.
    fn foreign_terminal(&self, descriptor: &Descriptor) -> Result<Option<String>, Fault> {
        let memory = self.walked.memory;
        let file = self.walked.view(descriptor.file)?;
        let (Some(dentry), Some(mount)) =
            (file.pointer("f_path.dentry")?, file.pointer("f_path.mnt")?)
        else {
            return Ok(None);
        };
        let Some(inode) = memory.read("dentry", dentry)?.pointer("d_inode")? else {
            return Ok(None);
        };
        let inode = memory.read("inode", inode)?;
        if file_type(inode.unsigned("i_mode")?) != "character device" {
            return Ok(None);
        }
        let line = Line::of(inode.unsigned("i_rdev")?);
        let path = || {
            let path = self.location(dentry, mount)?.path;
            Ok::<_, Fault>(Escaped(&path).to_string())
        };
        // drivers/tty/tty_io.c: __tty_hangup puts these operations in place of the terminal's.
        let operations = file.pointer("f_op")?;
        let operations = operations.and_then(|at| memory.source.symbolise(at));
        let is_hung_up = operations.is_some_and(|(name, _)| name == "hung_up_tty_fops");
        match line {
            // Refused, if it is, as the device that it is.
            Line::No | Line::Master => return Ok(None),
            _ if is_hung_up => return Ok(Some(format!("{}, which was hung up", path()?))),
            Line::OfMachine => return Ok(None),
            Line::Pseudo | Line::Controlling => {}
        }
        let own = match self.walked.view(descriptor.task)?.pointer("signal")? {
            Some(signal) => memory.read("signal_struct", signal)?.pointer("tty")?,
            None => None,
        };
        // drivers/tty/tty_io.c: file_tty. What was opened with O_PATH alone has none.
        let its = match file.pointer("private_data")? {
            Some(private) => memory.read("tty_file_private", private)?.pointer("tty")?,
            None => None,
        };
        Ok(match its.is_some() && its == own {
            true => None,
            false => Some(format!(
                "{}, which is not the controlling terminal of the process",
                path()?
            )),
        })
    }
}
