//! Links of fd and lines of fdinfo, against the open files of a task.

use super::mappings::decimal;
use super::{Comparison, number};
use crate::proc::{OpenFile, Proc};
use serde_json::Value;

/// O_CLOEXEC, which fdinfo shows among the flags and which belongs to the descriptor.
const CLOSE_ON_EXEC: u64 = 0o2000000;

/// FL_OFDLCK (include/linux/filelock.h, 6.12; include/linux/fs.h, 6.1).
const OF_OPEN_FILE: i128 = 1024;

impl Comparison {
    pub(super) fn files(&mut self, what: &str, proc: &Proc, open: &Value) {
        let ours = open.as_object().map_or(0, serde_json::Map::len);
        self.value(
            &format!("{what}: open files"),
            proc.files.len() as i128,
            Some(ours as i128),
        );
        for (fd, file) in &proc.files {
            let what = format!("{what}: descriptor {fd}");
            self.file(&what, file, &open[fd.to_string()]);
        }
    }

    fn file(&mut self, what: &str, file: &OpenFile, ours: &Value) {
        // What is no path has the name of its kind and its inode: `pipe:[123]`.
        if file.path.starts_with('/') {
            self.same(&format!("{what}: path"), &file.path, &ours["path"]);
        } else {
            let kind = file.path.split(':').next().unwrap_or_default();
            self.same(&format!("{what}: kind"), kind, &ours["kind"]);
        }
        let position = number(&ours["pos"]);
        self.value(&format!("{what}: position"), file.position, position);
        let flags = number(&ours["flags"]).map(|flags| flags & !i128::from(CLOSE_ON_EXEC));
        let shown = file.flags & !CLOSE_ON_EXEC;
        self.value(&format!("{what}: flags"), shown, flags);
        let closes = ours["close_on_exec"].as_bool().map(i128::from);
        let shown = i128::from(file.flags & CLOSE_ON_EXEC != 0);
        self.value(&format!("{what}: close-on-exec"), shown, closes);
        self.value(
            &format!("{what}: mnt_id"),
            file.mount,
            number(&ours["mount"]),
        );
        self.value(&format!("{what}: ino"), file.inode, number(&ours["inode"]));
        self.locks(what, &file.more, ours);
    }

    /// Lines such as `lock:\t1: POSIX  ADVISORY  WRITE 157 00:19:25 100 149`
    /// (fs/locks.c: lock_get_status).
    fn locks(&mut self, what: &str, lines: &[String], ours: &Value) {
        let mut shown: Vec<Vec<String>> = Vec::new();
        for line in lines {
            let mut words = line.split_whitespace();
            if words.next() != Some("lock:") {
                self.wrong.push(format!("{what}: {line:?} is not known"));
                continue;
            }
            let words = words.skip(1).map(str::to_owned);
            shown.push(words.collect());
        }
        let inode = |word: &str| {
            let (device, inode) = word.rsplit_once(':').unwrap_or_default();
            format!("{}:{inode}", decimal(device))
        };
        for words in &mut shown {
            if let Some(word) = words.get_mut(4) {
                *word = inode(word);
            }
        }
        let empty = Vec::new();
        let locks = ours["locks"].as_array().unwrap_or(&empty);
        let mut kept: Vec<Vec<String>> = locks.iter().map(|lock| lock_line(lock, ours)).collect();
        shown.sort();
        kept.sort();
        let (ours, fact) = (format!("{kept:?}"), format!("{shown:?}"));
        self.held(&format!("{what}: locks"), kept == shown, &ours, &fact);
    }
}

/// A lock of an image as /proc would write it, in words.
fn lock_line(lock: &Value, file: &Value) -> Vec<String> {
    let of_open_file = number(&lock["flags"]).is_some_and(|flags| flags & OF_OPEN_FILE != 0);
    let style = match lock["style"].as_str() {
        Some("flock") => "FLOCK",
        _ if of_open_file => "OFDLCK",
        _ => "POSIX",
    };
    let kind = match lock["type"].as_str() {
        Some("write") => "WRITE",
        _ => "READ",
    };
    // A lock of an open file is nobody's.
    let pid = match of_open_file {
        true => -1,
        false => number(&lock["pid"]).unwrap_or_default(),
    };
    let device = file["device"].as_str().unwrap_or_default();
    let place = format!("{device}:{}", file["inode"]);
    let end = match number(&lock["end"]) {
        Some(end) if end != i128::from(i64::MAX) => end.to_string(),
        _ => "EOF".to_owned(),
    };
    let start = number(&lock["start"]).unwrap_or_default();
    [style, "ADVISORY", kind]
        .into_iter()
        .map(str::to_owned)
        .chain([pid.to_string(), place, start.to_string(), end])
        .collect()
}
