//! Streams to the journal of systemd, which services have for their output.

/// Where the journal listens for streams (systemd, units/systemd-journald.socket).
pub const JOURNAL: &str = "/run/systemd/journal/stdout";

attributes! {
    /// A stream socket that is connected with the journal (systemd, src/journal/journald-stream.c). What follows the first
    /// two are the lines with which it began, as the journal keeps them.
    pub struct JournalStream {
        /// The number of the socket.
        inode: u64 = "inode",
        /// Whether nothing can be read from it any more, which systemd sees to.
        is_shut_for_reading: bool = "shut-for-reading",
        /// What messages are called by (SyslogIdentifier=). `None` if by the program that writes.
        identifier: Option<String> = "identifier",
        /// The unit that messages are of. `None` if the one that the writer is in.
        unit: Option<String> = "unit",
        /// The priority of messages that tell none (SyslogLevel=, SyslogFacility=).
        priority: u32 = "priority",
        /// Whether messages may begin with their priority (SyslogLevelPrefix=).
        has_level_prefix: bool = "level-prefix",
        /// Whether they are passed on to a syslog daemon.
        to_syslog: bool = "forward-to-syslog",
        /// Whether they are passed on to the kernel's log.
        to_kmsg: bool = "forward-to-kmsg",
        /// Whether they are passed on to the console.
        to_console: bool = "forward-to-console",
    }
}
