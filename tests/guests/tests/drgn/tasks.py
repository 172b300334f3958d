"""Prints what drgn reads of the tasks at some addresses of an image, as one JSON list.

Arguments: the image, the vmlinux of its kernel, addresses of task_structs in hexadecimal.
"""

import json
import sys

import drgn

prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
# A converted image still has the VMCOREINFO, and in it the build id, of the kernel it was frozen on.
prog.create_loaded_modules()
prog.main_module().try_file(sys.argv[2], force=True)
found = []
for address in sys.argv[3:]:
    task = drgn.Object(prog, "struct task_struct *", value=int(address, 16))
    found.append(
        {
            "Name": task.comm.string_().decode(),
            "Pid": task.pid.value_(),
            "Tgid": task.tgid.value_(),
            "VmSize": 4 * task.mm.total_vm.value_(),
            "VmStk": 4 * task.mm.stack_vm.value_(),
            "SigBlk": task.blocked.sig[0].value_(),
            "Uid": task.cred.uid.val.value_(),
            "Umask": task.fs.umask.value_(),
            "Threads": task.signal.nr_threads.value_(),
            "open files": task.signal.rlim[7].rlim_cur.value_(),
        }
    )
print(json.dumps(found))
