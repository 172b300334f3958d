//! A machine that runs one of Debian's kernels, emulated, and answers to a test.

use crate::channel::{Channel, Frame};
use crate::monitor::Monitor;
use crate::proc::Proc;
use crate::{Error, Initramfs, Kernel};
use serde_json::json;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest time until a kernel's agent answers, a command ends or a file has what is waited for.
/// It only ends a test that hangs, and says nothing of how long things take: the machine stands still
/// while its host has no CPU for it, and its clock does not.
pub const LIMIT: Duration = Duration::from_secs(1200);
/// How long the machine may take to answer beyond what a command may take.
const GRACE: Duration = Duration::from_secs(120);
/// How much of the console an error shows, in lines.
const CONSOLE_LINES: usize = 60;

/// Kernel command line: the console on the serial port, and a panic ends QEMU. The kernel does not
/// test whether its timer interrupts it: where the host is busy, ten ticks come late, and the kernel
/// panics of a broken timer (arch/x86/kernel/apic/io_apic.c: check_timer, timer_irq_works). Under KVM it
/// does not either (arch/x86/kernel/kvm.c: paravirt_ops_setup).
const COMMAND_LINE: &str = "console=ttyS0 panic=-1 loglevel=6 no_timer_check rdinit=/init";

/// All that QEMU can emulate but for two things. The promise that copying byte by byte is fast (ERMS): it is not
/// where each byte is emulated, and the kernel would copy so what it can copy by words. And CMPXCHG16B, with which
/// kernels take memory (mm/slub.c): QEMU 7.2, which Debian 12 has, computes the flags that it leaves with what an earlier
/// instruction had left (target/i386: helper_cmpxchg16b_unlocked reads `cc_op`, which the translator has not written).
/// An interrupt that comes right behind it then saves flags that are an address, and the kernel dies of going on with
/// them, once in some hours.
const CPU: &str = "max,-erms,-cx16";

/// A machine to be booted.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Memory in MiB.
    pub memory: u32,
    /// Number of CPUs.
    pub cpus: u32,
    /// What they can do, as QEMU's option `-cpu` has it.
    pub cpu: String,
    /// Files of the host that are the machine's disks, /dev/vda and on.
    pub disks: Vec<PathBuf>,
    /// What is added to the kernel's command line.
    pub command_line: String,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine {
            memory: 1024,
            cpus: 2,
            cpu: CPU.to_owned(),
            disks: Vec::new(),
            command_line: String::new(),
        }
    }
}

impl Machine {
    /// Boots `kernel` with `initramfs` and waits for the agent.
    ///
    /// # Errors
    /// That QEMU cannot be run, or that the kernel did not come up, with the end of its console.
    pub fn boot(&self, kernel: &Kernel, initramfs: &Initramfs) -> Result<Guest, Error> {
        let folder = tempfile::tempdir().map_err(Error::file("a temporary folder"))?;
        let at = |name: &str| folder.path().join(name);
        let archive = at("initramfs");
        std::fs::write(&archive, initramfs.archive(kernel)?).map_err(Error::file(&archive))?;
        let mut qemu = Command::new("qemu-system-x86_64");
        // One thread for all CPUs: with one each, code that a CPU has just patched (a static key
        // that is switched) is at times still run by another as it was, and the kernel dies of the
        // breakpoint that stood there meanwhile.
        qemu.args(["-accel", "tcg,thread=single"])
            .args(["-cpu", &self.cpu, "-machine", "pc"])
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-no-reboot", "-serial", "stdio", "-device", "vmcoreinfo"])
            .args(["-m", &self.memory.to_string()])
            .args(["-smp", &self.cpus.to_string()])
            .arg("-kernel")
            .arg(&kernel.vmlinuz)
            .arg("-initrd")
            .arg(&archive)
            .args(["-append", &self.whole_command_line()])
            .args(["-device", "virtio-serial-pci"])
            .args(["-device", "virtserialport,chardev=agent"])
            .args(["-chardev", &socket("agent", &at("agent"))])
            .args(["-mon", "chardev=monitor,mode=control"])
            .args(["-chardev", &socket("monitor", &at("monitor"))]);
        for disk in &self.disks {
            // A comma in a value of QEMU's options is written twice.
            let path = disk.display().to_string().replace(',', ",,");
            qemu.args(["-drive", &format!("file={path},format=raw,if=virtio")]);
        }
        let mut child = qemu
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Missing {
                program: "qemu-system-x86_64".to_owned(),
                package: "qemu-system-x86",
                source,
            })?;
        let console = Console::default();
        console.follow(child.stdout.take());
        console.follow(child.stderr.take());
        let mut child = Qemu(child);
        let end = Instant::now() + LIMIT;
        let mut connected = |name| {
            let stream = connect(&at(name), &mut child, end);
            stream.map_err(|_| console.error("did not start"))
        };
        let (agent, monitor) = (connected("agent")?, connected("monitor")?);
        let mut guest = Guest {
            qemu: child,
            console,
            channel: Channel::new(agent),
            monitor: Monitor::new(monitor)?,
            machine: self.clone(),
            release: String::new(),
            _folder: folder,
        };
        guest.greeted(kernel)?;
        Ok(guest)
    }

    fn whole_command_line(&self) -> String {
        format!("{COMMAND_LINE} {}", self.command_line)
    }
}

fn socket(name: &str, path: &Path) -> String {
    format!(
        "socket,id={name},path={},server=on,wait=off",
        path.display()
    )
}

/// QEMU makes its sockets a moment after it is started, or ends at once.
fn connect(path: &Path, qemu: &mut Qemu, end: Instant) -> io::Result<UnixStream> {
    loop {
        let ended = qemu.0.try_wait()?.is_some();
        match UnixStream::connect(path) {
            Err(error) if ended || Instant::now() > end => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
            connected => return connected,
        }
    }
}

/// What the machine wrote to its serial port, and QEMU to its standard error.
#[derive(Debug, Clone, Default)]
struct Console(Arc<Mutex<Vec<u8>>>);

impl Console {
    /// Reads `stream` to its end in a thread of its own: QEMU must never wait for a reader.
    fn follow(&self, stream: Option<impl Read + Send + 'static>) {
        let (Some(mut stream), kept) = (stream, self.0.clone()) else {
            return;
        };
        std::thread::spawn(move || {
            let mut block = [0; 4096];
            while let Ok(got @ 1..) = stream.read(&mut block) {
                if let Ok(mut kept) = kept.lock() {
                    kept.extend_from_slice(&block[..got]);
                }
            }
        });
    }

    fn text(&self) -> String {
        match self.0.lock() {
            Ok(bytes) => String::from_utf8_lossy(&bytes).replace('\r', ""),
            Err(_) => String::new(),
        }
    }

    fn end(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n")
    }

    fn error(&self, problem: impl Into<String>) -> Error {
        Error::Guest {
            problem: problem.into(),
            console: self.end(),
        }
    }
}

/// QEMU, which does not outlive its test.
#[derive(Debug)]
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        // Errors mean that it ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command in the guest wrote, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit code; 128 and the number of the signal that killed it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A running machine. It is killed when it is dropped.
#[derive(Debug)]
pub struct Guest {
    qemu: Qemu,
    console: Console,
    channel: Channel,
    monitor: Monitor,
    machine: Machine,
    release: String,
    // Last, so that QEMU is gone before its sockets are.
    _folder: tempfile::TempDir,
}

impl Guest {
    /// What `uname -r` says.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// All that was written to the console so far.
    pub fn console(&self) -> String {
        self.console.text()
    }

    /// Runs a shell command, which has to succeed within [`LIMIT`], and gives its standard output.
    ///
    /// # Errors
    /// How it failed, with its output and the guest's console.
    pub fn run(&mut self, command: &str) -> Result<String, Error> {
        let output = self.attempt(command, LIMIT)?;
        if output.code != 0 {
            return Err(Error::Command {
                command: command.to_owned(),
                end: format!("ended with code {}", output.code),
                stdout: output.stdout,
                stderr: output.stderr,
                console: self.console.end(),
            });
        }
        Ok(output.stdout)
    }

    /// Runs a shell command that may fail. What it leaves in the background runs on.
    ///
    /// # Errors
    /// That it did not end within `limit`; it is killed then, with its process group.
    pub fn attempt(&mut self, command: &str, limit: Duration) -> Result<Output, Error> {
        let request: [&[u8]; 2] = [&seconds(limit), command.as_bytes()];
        let answer = self.ask(b'R', &request, limit + GRACE)?;
        self.ended(command, limit, &answer)
    }

    /// How a command ended, by the agent's answer.
    fn ended(&self, command: &str, limit: Duration, answer: &Frame) -> Result<Output, Error> {
        let broken = || self.console.error("gave a broken answer");
        let (status, rest) = answer.payload.split_first_chunk::<4>().ok_or_else(broken)?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(broken)?;
        let (stdout, stderr) = usize::try_from(u64::from_le_bytes(*length))
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(broken)?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(stdout), text(stderr));
        match i32::from_le_bytes(*status) {
            -1 => Err(Error::TimeLimit {
                command: command.to_owned(),
                limit,
                stdout,
                stderr,
                console: self.console.end(),
            }),
            status => Ok(Output {
                code: match status & 0x7f {
                    0 => status >> 8 & 0xff,
                    signal => 128 + signal,
                },
                stdout,
                stderr,
            }),
        }
    }

    /// Starts a command that runs on by itself, with its output going to a file of the guest, and
    /// gives its number.
    ///
    /// # Errors
    /// As for [`Guest::run`].
    pub fn start(&mut self, command: &str, output: &str) -> Result<u32, Error> {
        let pid = self.run(&format!(
            "rm -f {output}; (exec {command}) >{output} 2>&1 </dev/null & echo $!"
        ))?;
        pid.trim().parse().map_err(|_| {
            self.console
                .error(format!("gave {pid:?} for the number of {command}"))
        })
    }

    /// Waits until a file of the guest has `text` in one of its lines.
    ///
    /// # Errors
    /// That it has not within `limit`, with the file as it is.
    pub fn wait_for(&mut self, file: &str, text: &str, limit: Duration) -> Result<(), Error> {
        let found = format!("grep -qsF -- '{text}' {file}");
        self.until(
            &format!("until {found}; do usleep 20000; done"),
            file,
            limit,
        )
    }

    /// Waits until the process `pid` has written `text` to a file of the guest.
    ///
    /// # Errors
    /// That it has ended without, or has not within `limit`, with the file as it is.
    pub fn says(&mut self, pid: u32, file: &str, text: &str, limit: Duration) -> Result<(), Error> {
        let found = format!("grep -qsF -- '{text}' {file}");
        let command = format!(
            "until {found}; do if [ ! -d /proc/{pid} ] && ! {found}; then exit 1; fi; usleep 20000; done"
        );
        self.until(&command, file, limit)
    }

    fn until(&mut self, command: &str, file: &str, limit: Duration) -> Result<(), Error> {
        let contents = |guest: &mut Self| guest.run(&format!("cat {file}")).unwrap_or_default();
        match self.attempt(command, limit) {
            Ok(Output { code: 0, .. }) => Ok(()),
            Ok(Output { code, stderr, .. }) => Err(Error::Command {
                command: command.to_owned(),
                end: format!("ended with code {code}"),
                stdout: contents(self),
                stderr,
                console: self.console.end(),
            }),
            Err(Error::TimeLimit {
                command,
                limit,
                stderr,
                console,
                ..
            }) => Err(Error::TimeLimit {
                command,
                limit,
                stdout: contents(self),
                stderr,
                console,
            }),
            Err(other) => Err(other),
        }
    }

    /// Writes a file in the guest.
    ///
    /// # Errors
    /// Why the guest could not.
    pub fn put(&mut self, path: &str, contents: &[u8], mode: u32) -> Result<(), Error> {
        let request: [&[u8]; 4] = [
            &mode.to_le_bytes(),
            &(path.len() as u32).to_le_bytes(),
            path.as_bytes(),
            contents,
        ];
        self.ask(b'W', &request, LIMIT).map(drop)
    }

    /// Reads a file of the guest.
    ///
    /// # Errors
    /// Why the guest could not.
    pub fn get(&mut self, path: &str) -> Result<Vec<u8>, Error> {
        let answer = self.ask(b'G', &[path.as_bytes()], LIMIT)?;
        Ok(answer.payload)
    }

    /// What /proc says of a process.
    ///
    /// # Errors
    /// That it cannot be read or understood.
    pub fn proc(&mut self, pid: u32) -> Result<Proc, Error> {
        let gathered = self.ask_for_output(&format!("gather {pid}"))?;
        Proc::parse(pid, &gathered)
    }

    /// As [`Guest::run`], for output that need not be text.
    fn ask_for_output(&mut self, command: &str) -> Result<Vec<u8>, Error> {
        self.run(&format!("{command} >/run/output"))?;
        self.get("/run/output")
    }

    /// Goes over into another kernel, as an administrator does after an upgrade: whatever runs is
    /// gone, disks stay.
    ///
    /// # Errors
    /// That the kernel cannot be loaded, or does not come up.
    pub fn kexec(&mut self, kernel: &Kernel, initramfs: &Initramfs) -> Result<(), Error> {
        let vmlinuz = std::fs::read(&kernel.vmlinuz).map_err(Error::file(&kernel.vmlinuz))?;
        self.put("/tmp/vmlinuz", &vmlinuz, 0o600)?;
        self.put("/tmp/initramfs", &initramfs.archive(kernel)?, 0o600)?;
        let line = self.machine.whole_command_line();
        self.run(&format!(
            "kexec-load /tmp/vmlinuz /tmp/initramfs '{line}' && rm /tmp/vmlinuz /tmp/initramfs"
        ))?;
        self.go(kernel)
    }

    /// Goes over into the kernel that a command in the guest has loaded.
    ///
    /// # Errors
    /// That it does not come up, or is not the one it should be.
    pub fn go(&mut self, kernel: &Kernel) -> Result<(), Error> {
        let end = Instant::now() + LIMIT;
        self.send(b'K', &[], end)?;
        let frame = self.receive(end, LIMIT, "did not answer")?;
        match frame.letter {
            // The port takes what is written to it, and a machine that is quickly gone takes it with it:
            // then the next kernel's greeting is the answer.
            b'h' => self.greets(frame, kernel),
            b'k' => self.greeted(kernel),
            other => Err(self
                .console
                .error(format!("answered with a frame {:?}", char::from(other)))),
        }
    }

    /// Runs a command that goes over into another kernel by itself, with its output going to a file of the guest.
    ///
    /// # Errors
    /// That the command ended and the machine is where it was, with what the command wrote; that the kernel does not
    /// come up, or is not the one it should be.
    pub fn leaves(&mut self, command: &str, output: &str, kernel: &Kernel) -> Result<(), Error> {
        let line = format!("rm -f {output}; exec {command} >{output} 2>&1 </dev/null");
        let end = Instant::now() + LIMIT;
        self.send(b'R', &[&seconds(LIMIT), line.as_bytes()], end)?;
        let frame = self.receive(end, LIMIT, "did not come up")?;
        if frame.letter == b'h' {
            return self.greets(frame, kernel);
        }
        let code = self.ended(command, LIMIT, &frame)?.code;
        Err(Error::Command {
            command: command.to_owned(),
            end: format!(
                "ended with code {code} where it was to start {}",
                kernel.release
            ),
            stdout: self.run(&format!("cat {output}"))?,
            stderr: String::new(),
            console: self.console.end(),
        })
    }

    /// Writes the machine's memory to a file of the host, as an ELF core file with the kernel's
    /// VMCOREINFO. The machine stands still meanwhile.
    ///
    /// # Errors
    /// What QEMU says.
    pub fn dump(&mut self, file: &Path) -> Result<(), Error> {
        let protocol = format!("file:{}", file.display());
        let arguments = json!({ "paging": false, "protocol": protocol });
        self.monitor
            .execute("dump-guest-memory", arguments)
            .map(drop)
    }

    /// Turns the machine off and waits until it is.
    ///
    /// # Errors
    /// That it stays on.
    pub fn power_off(mut self) -> Result<(), Error> {
        self.ask(b'P', &[], LIMIT)?;
        let end = Instant::now() + LIMIT;
        loop {
            match self.qemu.0.try_wait().map_err(Error::file("QEMU"))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.console.error(format!("ended QEMU: {status}"))),
                None if Instant::now() > end => {
                    return Err(self.console.error("did not turn itself off"));
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Waits for the agent's first frame.
    fn greeted(&mut self, kernel: &Kernel) -> Result<(), Error> {
        let end = Instant::now() + LIMIT;
        let frame = self.receive(end, LIMIT, "did not come up")?;
        self.greets(frame, kernel)
    }

    /// Takes the agent's first frame.
    fn greets(&mut self, frame: Frame, kernel: &Kernel) -> Result<(), Error> {
        self.release = String::from_utf8_lossy(&frame.payload).into_owned();
        if frame.letter != b'h' || self.release != kernel.release {
            return Err(self.console.error(format!(
                "greets as {:?}, not as {}",
                self.release, kernel.release
            )));
        }
        Ok(())
    }

    fn send(&mut self, letter: u8, parts: &[&[u8]], end: Instant) -> Result<(), Error> {
        self.channel.send(letter, parts, end).map_err(|error| {
            self.console
                .error(format!("does not take requests: {error}"))
        })
    }

    fn ask(&mut self, letter: u8, parts: &[&[u8]], limit: Duration) -> Result<Frame, Error> {
        let end = Instant::now() + limit;
        self.send(letter, parts, end)?;
        let frame = self.receive(end, limit, "did not answer")?;
        match frame.letter {
            b'k' | b'r' => Ok(frame),
            b'e' => Err(Error::GuestFile(
                String::from_utf8_lossy(&frame.payload).into_owned(),
            )),
            other => Err(self
                .console
                .error(format!("answered with a frame {:?}", char::from(other)))),
        }
    }

    fn receive(&mut self, end: Instant, limit: Duration, problem: &str) -> Result<Frame, Error> {
        self.channel.receive(end).map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    format!("within {limit:?}")
                }
                // The last words are still on their way from QEMU.
                _ => {
                    std::thread::sleep(Duration::from_millis(200));
                    format!("before it went away ({error})")
                }
            };
            self.console.error(format!("{problem} {why}"))
        })
    }
}

/// A limit as the agent takes it, which does nothing in less than a second.
fn seconds(limit: Duration) -> [u8; 4] {
    (limit.as_secs().max(1) as u32).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Console, LIMIT, Qemu, connect};
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::time::Instant;

    #[test]
    fn qemu_does_not_outlive_its_guest() {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = PathBuf::from(format!("/proc/{}", child.id()));
        let qemu = Qemu(child);
        assert!(process.exists());
        drop(qemu);
        assert!(!process.exists());
    }

    #[test]
    fn qemu_that_ends_at_once_is_not_waited_for() {
        let mut qemu = Qemu(Command::new("true").spawn().unwrap());
        let end = Instant::now() + LIMIT;
        assert!(connect(Path::new("/nonexistent"), &mut qemu, end).is_err());
        assert!(Instant::now() < end);
    }

    #[test]
    fn an_error_shows_the_end_of_the_console() {
        let console = Console::default();
        let lines: String = (0..100).map(|n| format!("line {n}\r\n")).collect();
        console.0.lock().unwrap().extend(lines.bytes());
        let error = console.error("is gone").to_string();
        assert!(error.starts_with("the guest is gone\n"));
        assert!(!error.contains("line 39\n") && error.contains("line 40\n"));
        assert!(error.ends_with("line 99"));
    }
}
