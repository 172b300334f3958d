//! What is shown of images, of both families.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_image::Image;
use kconv_made::{Made, Process};
use kconv_resources::linux6::FileType;
use kconv_tasks::{Tasks, View, image, object, write_object};
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use std::path::Path;

/// A kernel of each series of Linux 6.
const KERNELS: [&str; 3] = [
    "6.1.0-50-amd64",
    "6.12.117+deb12-amd64",
    "7.3.4+deb13-amd64",
];

fn registry() -> &'static Registry {
    Registry::builtin().unwrap()
}

fn with_view<T>(image: &Image, layout: &Layout, look: impl FnOnce(&View<'_>) -> T) -> T {
    let map = registry().state_map(&image.head().identity.family).unwrap();
    look(&View::new(image, layout, &map).unwrap())
}

fn real<T>(name: &str, look: impl FnOnce(&View<'_>) -> T) -> T {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    let image = Image::open(&tests.join("images").join(name)).unwrap();
    let registry = registry();
    let kernel = &image.head().identity.kernel;
    let release = registry.release(&kernel.release, None, None).unwrap();
    let layout = registry.layout(&release.layout).unwrap();
    with_view(&image, &layout, look)
}

fn made<T>(kernel: &str, make: impl FnOnce(&mut Made<'_>), look: impl FnOnce(&View<'_>) -> T) -> T {
    let registry = registry();
    let release = registry.release(kernel, None, None).unwrap();
    let layout = registry.layout(&release.layout).unwrap();
    let mut made = Made::new(&layout, "linux-6");
    make(&mut made);
    with_view(&made.image(), &layout, look)
}

fn json(view: &View<'_>) -> String {
    format!("{:#}", Tasks::of(view).unwrap().json())
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    // As on a screen without colours.
    let text = String::from_utf8(out).unwrap();
    let mut plain = String::new();
    let mut parts = text.split('\u{1b}');
    plain.push_str(parts.next().unwrap());
    for part in parts {
        plain.push_str(part.split_once('m').unwrap().1);
    }
    plain
}

fn shown(view: &View<'_>) -> String {
    let tasks = Tasks::of(view).unwrap();
    text(|out| {
        tasks.list(out, view.objects.head())?;
        tasks.show(out, view.objects.head())
    })
}

#[test]
fn the_tasks_of_a_real_image_of_linux_2_4() {
    for machine in ["up", "smp"] {
        real(&format!("2.4.36-i386-{machine}.img"), |view| {
            insta::assert_snapshot!(format!("{machine}_text"), shown(view));
        });
    }
    real("2.4.36-i386-up.img", |view| {
        insta::assert_snapshot!("up_json", json(view));
    });
}

#[test]
fn all_else_that_a_real_image_says() {
    real("2.4.36-i386-up.img", |view| {
        insta::assert_snapshot!("up_image", format!("{:#}", image(view)));
        let id = view.objects.ids_of("fs_struct")[0];
        let one = object(view, id);
        insta::assert_snapshot!("up_object", text(|out| write_object(out, &one)));
    });
}

/// Descriptor 3, which execve closes.
fn open_file(made: &mut Made<'_>, process: &Process) {
    let file = made.object("file");
    made.fill(file);
    made.owned_by(file, process.task);
    let path = made.file("/var/log/worker", FileType::Regular, 77);
    made.stand_for(file, "f_path.dentry", path);
    made.symbol(file, "f_op", "ext4_file_operations");
    if made.has("file", "f_owner.pid") {
        made.point(file, "f_owner.pid", process.pid);
    }
    process.open(made, 3, file, true);
}

/// A process each of whose numbers is another: what is read from a wrong field is another number.
fn whole(made: &mut Made<'_>) {
    let process = Process::filled(made, 4711);
    // Pointers into the program's memory, of which an image has nothing.
    let mut address = 0x7f00_0000_0000;
    for path in [
        "futex.robust_list|robust_list",
        "rseq.usrptr|rseq",
        "set_child_tid",
        "clear_child_tid",
    ] {
        address += 0x1000;
        made.set(process.task, path, address);
    }
    // SIG_IGN, and two handlers.
    for (number, handler) in [(0, 1), (1, 0x40_1000), (33, 0x40_2000)] {
        let path = format!("action[{number}].sa");
        made.set(process.sighand, &format!("{path}.sa_handler"), handler);
        made.set(process.sighand, &format!("{path}.sa_restorer"), 0x40_3000);
    }
    // clock_nanosleep, interrupted.
    made.set(process.registers, "orig_ax", 230);
    made.set(process.registers, "ax", -516i64 as u64);
    made.set(process.task, "thread_info.syscall_work", 1 << 5);
    made.set(process.task, "syscall_dispatch.selector", 0x7f00_0000_9000);
    made.set(process.task, "seccomp.mode", 1);
    open_file(made, &process);
    // Sent by a process, with a value.
    let mut info = [0; 48];
    for (at, number) in [(0, 34), (8, -1), (16, 815), (20, 1000), (24, 0x77)] {
        info[at..at + 4].copy_from_slice(&i32::to_le_bytes(number));
    }
    process.queue(made, false, &info);
    let mut timer = info;
    for (at, number) in [(8, -2), (16, 3), (20, 5)] {
        timer[at..at + 4].copy_from_slice(&i32::to_le_bytes(number));
    }
    process.queue(made, true, &timer);
    process.mapping(made, 0x40_0000, 0x40_3000, 0x75);
    process.mapping(made, 0x60_0000, 0x60_1000, 0xf3);
    for (number, clock, notify) in [(0, 1, 0), (1, 9, 4), (2, -6, 1)] {
        let timer = made.object("k_itimer");
        made.fill(timer);
        made.point(timer, "it_signal", process.signal);
        made.point(timer, "it_pid", process.pid);
        made.set(timer, "it_id", number);
        made.set(timer, "it_clock", i64::from(clock) as u64);
        made.set(timer, "it_sigev_notify", notify);
        if made.has("k_itimer", "it_status") {
            made.set(timer, "it_status", 1);
        }
        made.symbol(timer, "kclock", "clock_monotonic");
        made.owned_by(timer, process.task);
        // A part of the timer since 6.14.
        if made.has("k_itimer", "sigq.info") {
            continue;
        }
        let queued = made.object("sigqueue");
        made.fill(queued);
        made.point(timer, "sigq", queued);
        made.owned_by(queued, process.task);
    }
    made.symbol(process.task, "restart_block.fn", "do_restart_poll");
}

#[test]
fn a_process_of_linux_6_is_shown_whole() {
    for kernel in KERNELS {
        let series = kernel.split('.').take(2).collect::<Vec<_>>().join("_");
        made(kernel, whole, |view| {
            insta::assert_snapshot!(format!("linux_{series}_json"), json(view));
            insta::assert_snapshot!(format!("linux_{series}_text"), shown(view));
        });
    }
}

/// One that has ended has no memory, and since 6.16 nothing behind it.
#[test]
fn a_task_that_has_ended_is_shown() {
    for kernel in KERNELS {
        let ended = |made: &mut Made<'_>| {
            Process::ended(made, 5);
        };
        made(kernel, ended, |view| {
            let task = &Tasks::of(view).unwrap().json()[0];
            assert_eq!(task["pid"], 5, "{kernel}");
            assert_eq!(task["memory"], serde_json::Value::Null, "{kernel}");
        });
    }
}

#[test]
fn a_task_is_chosen_by_its_number() {
    let two = |made: &mut Made<'_>| {
        Process::new(made, 5);
        Process::new(made, 6);
    };
    made(KERNELS[0], two, |view| {
        let mut tasks = Tasks::of(view).unwrap();
        assert_eq!(tasks.pids(), [5, 6]);
        tasks.keep(6);
        assert_eq!(tasks.pids(), [6]);
        assert_eq!(tasks.json()[0]["pid"], 6);
    });
}

#[test]
fn a_family_that_nobody_knows_is_an_error() {
    let registry = registry();
    let release = registry.release(KERNELS[0], None, None).unwrap();
    let layout = registry.layout(&release.layout).unwrap();
    let map = registry.state_map("linux-6").unwrap();
    let image = Made::new(&layout, "linux-7").image();
    let view = View::new(&image, &layout, &map).unwrap();
    let Err(error) = Tasks::of(&view) else {
        panic!("tasks of linux-7");
    };
    assert!(error.to_string().contains("the family linux-7"), "{error}");
}
