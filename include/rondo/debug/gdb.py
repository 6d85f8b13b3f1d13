# SPDX-FileCopyrightText: The rondo authors
# SPDX-License-Identifier: MIT

"""What all tasks of a stopped or dead program are doing: rondo::debug::dump for gdb.

    gdb -batch -x <prefix>/include/rondo/debug/gdb.py -ex rondo-dump PROGRAM CORE
    gdb -batch -x <prefix>/include/rondo/debug/gdb.py -ex rondo-dump -p PID

rondo-dump         the tasks of every loop that runs on some thread
rondo-dump LOOP    those of the loop that an expression names, such as one that is polled

PROGRAM was built with -g for a 64-bit machine, whatever else: optimised or not, with or without RTTI and exceptions; with g++, or with
clang++ on libstdc++. Nothing is called in the program, so that a core will do; so what a user's awaiter would say of itself is not
known, and its type stands there.

The tree is found as the library finds it (core/detail/frame.hpp, loop/detail/report.hpp), by other means: what a virtual function would
say is told from the class of the object, and the class from the vtable. Who adds an operation adds it to OPERATIONS here;
tests/debug/gdb compares.
"""

import re
import time

import gdb

ABIS = ("v0", "v0_noexcept")
MILLISECOND = 10**6  # in ticks of the steady clock
MOST_SLOTS = 32  # of a vtable
DEEPEST = 32  # what is deeper is not indented any more
MOST_HOLDERS = 3  # that are named
MOST_CIRCLES = 16  # that are told


# --- Objects in memory ---
# Members are found by their place. gdb's own casts want RTTI, whose names of templates and lambdas it does not always understand.


class Object:
    """What lies at an address, by a type."""

    def __init__(self, address, type):
        self.address, self.type = address, type.strip_typedefs().unqualified()

    def value(self):
        return gdb.Value(self.address).cast(self.type.pointer()).dereference()

    def __int__(self):
        return int(self.value())

    def is_a(self, name):
        return any(c.name == name for c in classes_in(self.type))

    def base(self, name):
        offset, type = part(self.type, lambda field: field.is_base_class and field.type.name == name)
        return Object(self.address + offset, type)

    def __getitem__(self, name):
        offset, type = part(self.type, lambda field: field.name == name)
        return Object(self.address + offset, type)

    def target(self):
        """What this, a pointer or a reference, refers to."""
        return Object(word_at(self.address), self.type.target())


def part(type, is_it):
    """The offset and the type of the first part of a class that is it: a member, a base, or one of a base or of a nameless union."""
    for field in type.fields():
        if not hasattr(field, "bitpos"):
            continue  # static
        if is_it(field):
            return field.bitpos // 8, field.type
        if field.is_base_class or not field.name:
            try:
                offset, found = part(field.type.strip_typedefs(), is_it)
                return field.bitpos // 8 + offset, found
            except LookupError:
                pass
    raise LookupError(f"{type} is not as this script knows it; is it of another version?")


def classes_in(type):
    """A class, and all that it is derived from."""
    yield type
    for field in type.fields():
        if field.is_base_class:
            yield from classes_in(field.type.strip_typedefs())


def word_at(address):
    return int(gdb.Value(address).cast(gdb.lookup_type("unsigned long").pointer()).dereference())


def elements(vector):
    first, end = vector["_M_impl"]["_M_start"], int(vector["_M_impl"]["_M_finish"])
    type = first.type.target()
    return [Object(at, type) for at in range(int(first), end, type.sizeof)]


def linked(list, node_type, base):
    """The nodes of an intrusive_list, whose place in the list is `base` of each."""
    head = list["head_"]
    offset = Object(0, node_type).base(base).address
    at, seen = int(head["next_"]), {head.address}
    while at not in seen:  # a broken list may go round
        seen.add(at)
        yield Object(at - offset, node_type)
        at = int(Object(at, head.type)["next_"])


# --- The class of an object, by its vtable ---

classes = {}  # by vtable: name and type; "" and None for what is not known


def class_of(address):
    """The name of the class of the object there, which is polymorphic, and its type."""
    vtable = word_at(address)
    if vtable not in classes:
        classes[vtable] = find_class(vtable)
    return classes[vtable]


def find_class(vtable):
    name, symbol = vtable_symbol(vtable, "on"), vtable_symbol(vtable, "off")
    if not name or not symbol:
        return name, None
    # The functions in it know their class. One that is not derived further may override none, and then a base class has all the members.
    found = []
    for slot in range(vtable, vtable + 8 * MOST_SLOTS, 8):
        function = word_at(slot)
        if function == 0 or function >> 63:
            break  # the next vtable begins
        linkage_name, type = method(function)
        if type is not None and linkage_name.startswith(symbol):
            return name, type
        if type is not None:
            found.append(type)
    try:
        return name, gdb.lookup_type(name)
    except gdb.error:
        if not found:
            return name, None
    names = {type.name for type in found}
    return name, max(found, key=lambda type: sum(c.name in names for c in classes_in(type)))


def vtable_symbol(vtable, demangled):
    """Whose vtable it is: the name of the class, or the beginning that the linkage names of its functions have."""
    before = "on" if gdb.parameter("print demangle") else "off"
    gdb.execute("set print demangle " + demangled)
    try:
        text = gdb.execute(f"info symbol {vtable}", to_string=True)
    finally:
        gdb.execute("set print demangle " + before)
    match = re.match(r"(?:vtable for (.*)|_ZTVN(.*)E) \+ 16 in section ", text)
    return "" if match is None else match[1] or "_ZN" + match[2]


def method(function):
    """The linkage name of a member function, without the const, and the class of its `this`."""
    block, symbol, outer = gdb.block_for_pc(function), None, None
    while block is not None and not block.is_static and not block.is_global:
        if block.function is not None:
            symbol, outer = block.function, block  # the last one is not inlined into another
        block = block.superblock
    for variable in outer or ():
        if variable.name == "this" and variable.is_argument:
            type = variable.type.strip_typedefs().target().unqualified().strip_typedefs()
            return re.sub("^_ZNK", "_ZN", symbol.linkage_name), type
    return None, None


def outline(name):
    """A class of rondo without namespaces and template arguments: `bounded_queue::popping`."""
    name = re.sub(r"\brondo::(v0_noexcept|v0)::(detail::)?", "", name)
    head, bracket, _ = name.partition("<")
    if bracket and not name.endswith(">"):
        head += "::" + name[name.rindex(">::") + 3:]
    return head


def first_argument(type):
    return outline(type.template_argument(0).strip_typedefs().name)


# --- What a frame waits for ---


class Wait:
    def __init__(self, what, on=None, due=None, holders=()):
        self.what, self.on, self.due, self.holders = what, on, due, holders


# Awaiter: what it says of itself, and whose destruction leaves it without hope. Those with several names: by their first argument.
OPERATIONS = {
    "sleep_awaiter": ("sleep", None),
    "interval::tick_awaiter": ("sleep", None),
    "yield_awaiter": ("yield", None),
    "join_awaiter": ("join_handle", None),
    "completions::next_awaiter": ("for_each_completed", None),
    "callback_awaiter": ("from_callback", None),
    "thread_awaiter": ("to_thread", None),
    "pop_awaiter": ("bounded_queue::pop", "the queue"),
    "push_awaiter bounded_queue": ("bounded_queue::push", "the queue"),
    "push_awaiter message_queue": ("message_queue::push", "the queue"),
    "receive_awaiter": ("message_queue::receive", "the queue"),
    "gate_awaiter message_queue::all_done": ("message_queue::join", "the queue"),
    "gate_awaiter event": ("event::wait", "the event"),
    "gate_awaiter latch": ("latch::wait", "the latch"),
    "arrive_awaiter": ("latch::wait", "the latch"),
    "barrier_awaiter": ("barrier::arrive_and_wait", "the barrier"),
    "acquire_awaiter mutex": ("mutex::lock", "the mutex"),
    "acquire_awaiter semaphore": ("semaphore::acquire", "the semaphore"),
    "condition_variable::breath": ("condition_variable::wait", None),
    "condition_variable::wait_awaiter": ("condition_variable::wait", "it, or the mutex,"),
    "condition_variable::timed_awaiter": ("condition_variable::wait", "it, or the mutex,"),
}

# Suspensions of other kinds than hosts, which have an awaiter.
COMPOSITES = {
    "task_awaiter": "a task",
    "yielded": "yield",
    "next_awaiter": "async_generator::next",
    "race_each": "when_any",
    "race_range": "when_any",
    "timed_or_error": "with_timeout",
    "timed_or_nothing": "with_timeout",
    "uncancellable_wait": "uncancellable",
    "group_wait": "with_task_group",
    "stoppable": "with_stop_token",
}

NOWHERE = 2**32 - 1  # the place of a timer that is never to be set

HOSTS = {"waiting_host": "an operation", "native_host": "an awaiter", "foreign_host": "a foreign awaitable"}


class Loop:
    def __init__(self, address, thread):
        self.thread = thread
        self.namespace = class_of(address)[0][:-len("engine")]
        self.engine = Object(address, self.type("engine"))
        self.ticks, self.made_at = int(self.engine["ticks_"]), self.moment(self.engine["made_at_"])
        self.timers = elements(self.engine["timers_"]["entries_"])
        self.now = self.made_at + self.ticks * MILLISECOND
        self.is_now_live = self.has_clock()
        if self.is_now_live:
            self.now = max(self.now, time.clock_gettime_ns(time.CLOCK_MONOTONIC))

    def type(self, name):
        return gdb.lookup_type(self.namespace + name)

    def moment(self, point):
        return int(Object(point.address, gdb.lookup_type("long")))

    def has_clock(self):
        """Whether this machine's clock is that of the loop, and runs for it still."""
        connection = getattr(gdb.selected_inferior(), "connection", None)
        driver, _ = class_of(word_at(self.engine["driver_"].address))
        return connection is not None and connection.type == "native" and outline(driver) == "default_driver"

    def roots(self):
        """The tasks that the loop itself owns, the main task first."""
        main = int(self.engine["main_"])
        if main and int(Object(main, self.type("root"))["top_"]):
            yield self.root(main)
        home = self.engine.base(self.namespace + "home")
        for root in linked(home["tasks_"], self.type("root"), self.namespace + "list_node"):
            yield self.root(root.address)

    def root(self, address):
        _, type = class_of(address)
        return Object(address, type or self.type("root"))

    def frame(self, address):
        return Object(address, self.type("frame"))

    # --- Suspensions ---

    def look_at(self, address):
        """What the suspension there waits for, operands after it, and the frames below it."""
        name, type = class_of(address)
        kind = outline(name)
        if type is None:
            return [Wait(name or "something that cannot be read")], []
        suspension = Object(address, type)
        if kind in HOSTS:
            return [self.describe_host(suspension, kind)], []
        if kind == "task_awaiter":
            children, operands = [int(suspension["child_"])], []
        elif kind == "next_awaiter":
            children, operands = [int(suspension["body_"])], []
        else:
            branches, operands = self.children_of(suspension)
            children = [int(b["top_"]) for b in branches]
        return [self.describe_composite(suspension, kind, name)] + operands, [c for c in children if c]

    def describe_composite(self, suspension, kind, name):
        if kind in ("gather_each", "gather_range"):
            return Wait("when_all_settled" if "::failures)1" in name.partition(",")[0] else "when_all")
        if kind == "finally_wait":
            return Wait("finally (cleanup)" if int(suspension["cleans_"]) else "finally")
        due = self.due(suspension["deadline_"]["timer_"]) if kind.startswith("timed_or_") else None
        return Wait(COMPOSITES.get(kind, name), due=due)

    def describe_host(self, host, kind):
        awaiter = host["awaiter_"]
        if awaiter.type.code != gdb.TYPE_CODE_STRUCT:
            awaiter = awaiter.target()
        return self.describe_awaiter(awaiter, HOSTS[kind])

    def describe_awaiter(self, awaiter, otherwise):
        kind = outline(awaiter.type.name)
        if kind in ("push_awaiter", "gate_awaiter", "acquire_awaiter"):
            kind += " " + first_argument(awaiter.type)
        if kind not in OPERATIONS:
            return Wait(f"{otherwise} ({awaiter.type.name})")
        what, keeper = OPERATIONS[kind]
        if keeper is not None and str(awaiter.base(self.namespace + "waiter")["state_"].value()).endswith("::detached"):
            return Wait(f"{what} ({keeper} is gone)")
        if what == "sleep":
            return Wait("sleep (for ever)" if int(awaiter["timer_"]["place_"]) == NOWHERE else what, due=self.due(awaiter["timer_"]))
        if kind == "join_awaiter":
            return Wait(what, on=awaiter["task_"].target().base(self.namespace + "root").address)
        if kind.startswith("acquire_awaiter"):
            return Wait(what, holders=self.holders(awaiter["owner_"].target()))
        if kind in ("condition_variable::wait_awaiter", "condition_variable::timed_awaiter") and int(awaiter["is_notified_"]):
            return Wait(what + " (for the mutex)", holders=self.holders(awaiter["mutex_"].target()))
        if kind == "condition_variable::timed_awaiter":
            return Wait(what, due=self.due(awaiter["alarm_"]["timer_"]))
        return Wait(what)

    def due(self, timer):
        if not int(timer["who_"]):
            return None
        return self.moment(self.timers[int(timer["place_"])]["deadline"])

    def holders(self, lock):
        """The numbers of the tasks that hold it, each with that of its part that took it; zeros for who is not known."""
        if outline(lock.type.name) == "mutex":
            holding = [lock] if int(lock["locked_"]) or int(lock["guarded_"]) else []
        else:
            out = lock["out_"]
            holding = linked(out, out.type.template_argument(0), self.namespace + "list_node")
        return [(int(h["holder_"]["task"]), int(h["holder_"]["part"])) for h in holding]

    def children_of(self, combinator):
        """The branches below it that run, and its operands that wait, in order."""
        branches, roots, operands = [], [], []

        def visit(object):
            name = object.type.name or ""
            if object.is_a(self.namespace + "branch"):
                if int(object["combinator_"]):  # it has been started
                    branches.append(object)
            elif outline(name) == "operand_child":
                if str(object["state_"].value()).endswith("::waiting"):
                    operands.append(self.describe_host(object, "waiting_host"))
            elif name.startswith("std::vector<"):
                for element in elements(object):
                    visit(element)
            elif name.startswith("std::optional<"):
                if int(object["_M_payload"]["_M_engaged"]):
                    visit(object["_M_payload"]["_M_payload"]["_M_value"])
            elif name == self.namespace + "home":
                roots.extend(linked(object["tasks_"], self.type("root"), self.namespace + "list_node"))
            else:
                look_into(object)

        def look_into(object):
            fields = [field for field in object.type.fields() if hasattr(field, "bitpos")]
            if "_Tuple_impl<" in (object.type.name or ""):
                fields.reverse()  # which holds the rest before the first
            for field in fields:
                type = field.type.strip_typedefs()
                if type.code == gdb.TYPE_CODE_STRUCT and (field.is_base_class or self.may_hold_children(type)):
                    visit(Object(object.address + field.bitpos // 8, type))

        look_into(combinator)
        return branches + roots, operands

    def may_hold_children(self, type):
        """Of a member: not what is the user's."""
        name = type.name or ""
        if name.startswith(("std::vector<", "std::optional<")):
            type = type.template_argument(0).strip_typedefs()
            return type.code == gdb.TYPE_CODE_STRUCT and outline(type.name or "") == "task_child"
        return name.startswith("std::tuple<") or outline(name) in ("task_child", "operand_child")


# --- Finding the loops ---


def find_loops():
    """Every loop that some thread is in, with that thread, by the threads' numbers."""
    found = {}
    selected, frame = gdb.selected_thread(), selected_frame()
    try:
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
            thread.switch()
            if thread.is_stopped():
                for address in loops_of_this_thread():
                    found.setdefault(address, thread)
    finally:
        selected.switch()
        if frame is not None:
            frame.select()
    return [Loop(address, thread) for address, thread in found.items()]


def selected_frame():
    try:
        return gdb.selected_frame()
    except gdb.error:
        return None


def loops_of_this_thread():
    """Innermost first."""
    found = [current_loop(abi) for abi in ABIS] + list(loops_on_stack())
    return [address for address in dict.fromkeys(found) if address and is_engine(address)]


def is_engine(address):
    try:
        name, _ = class_of(address)
        return re.fullmatch(rf"rondo::({'|'.join(ABIS)})::detail::engine", name) is not None
    except gdb.MemoryError:
        return False


def current_loop(abi):
    try:
        return int(gdb.parse_and_eval(f"rondo::{abi}::detail::scheduler::current_"))
    except gdb.error:
        return None  # no such version, or no access to what is local to threads


def loops_on_stack():
    for frame in frames_of_this_thread():
        if re.match(rf"rondo::({'|'.join(ABIS)})::detail::engine::(drive|poll|finish)\b", frame.name() or ""):
            try:
                yield int(frame.read_var("this"))
            except (gdb.error, ValueError):
                pass  # optimised out; current_loop knows


def frames_of_this_thread():
    try:
        frame = gdb.newest_frame()
        while frame is not None:
            yield frame
            frame = frame.older()
    except gdb.error:
        pass  # the stack is broken from here on


# --- The report ---


class Part:
    """A task, or a child of a combinator: what can hold something, and be cancelled on its own."""

    def __init__(self, branch, within):
        self.number = int(branch["number_"])
        self.waits = []  # for another part: that, the frame, and for what it holds; None: for its end
        self.within = within  # the part whose frame waits for it; None for a task
        self.top = None
        kind = outline(class_of(branch.address)[0])
        self.is_named = within is None and kind in ("main_task", "named")
        if within is not None:
            self.task_name = within.task_name
        else:
            self.task_name = "main" if kind == "main_task" else text_at(word_at(branch["name_"].address)) if kind == "named" else "a task"

    def depend(self, on, frame, what):
        if all(on is not known for known, _, _ in self.waits):
            self.waits.append((on, frame, what))

    def name(self, frames):
        """Of what has no name of its own, it says in parentheses which coroutine it is."""
        frame = self.top
        while not self.is_named and frame and frame.state == "waits" and not frame.problem:
            if frame.place:
                return f"{self.task_name} ({coroutine_name(frame.function)})"
            frame = frames.get(frame.children[0]) if frame.is_skipped() and frame.children else None
        return self.task_name


class Frame:
    """A frame with what is below it."""

    def __init__(self, loop, address, part, parent, is_top):
        self.part, self.parent, self.is_top = part, parent, is_top  # the top of a task
        self.waits, self.children, self.place, self.function = [], [], "", ""
        self.state, self.problem = "waits", None
        try:
            self.look(loop, loop.frame(address))
        except (RuntimeError, LookupError, TypeError) as error:  # what gdb throws at what is not there
            self.problem = f"cannot be read: {error}"

    def look(self, loop, frame):
        suspension = int(frame["waits_on"])
        if suspension == 0:
            self.state = "running"
        elif outline(class_of(suspension)[0]) == "first_step":
            self.state = "not started"
        else:
            self.is_ready = int(frame["next_"]) != 0
            self.since = int(frame["since"])
            where = frame["where"]["_M_impl"]
            if int(where):
                self.place = text_at(int(where.target()["_M_file_name"]))
                self.function = text_at(int(where.target()["_M_function_name"]))
            if self.place:
                self.place += ":" + str(int(where.target()["_M_line"]))
            self.waits, self.children = loop.look_at(suspension)

    def is_skipped(self):
        """A coroutine of the library that has no place in anybody's source, and nothing to say: it stands between two of the user's."""
        return self.state == "waits" and not self.problem and not self.place and self.waits[0].what == COMPOSITES["task_awaiter"]

    def nearest_place(self):
        frame = self
        while not frame.place and frame.parent:
            frame = frame.parent
        return frame.place


def text_at(address):
    return gdb.Value(address).cast(gdb.lookup_type("char").pointer()).string(errors="replace")


def coroutine_name(function):
    """Its name alone, of what compilers show: "f(f()::_Z1fv.Frame*)", "task<> f(int) [with T = int]"."""
    name = function.partition(" [with ")[0]
    end = name.rfind(")")
    if end < 0:
        return name

    def nesting(at):
        return 1 if name[at] in ")>" else -1 if name[at] in "(<" else 0

    depth = 1
    while depth > 0 and end > 0:  # back over the parameters
        end -= 1
        depth += nesting(end)
    begin, depth = end, 0
    while begin > 0 and (depth > 0 or name[begin - 1] != " "):  # and the name
        begin -= 1
        depth += nesting(begin)
    return name[begin:end] or name


def seconds(milliseconds):
    return f"{milliseconds // 1000}.{milliseconds % 1000:03} s"


class Report:
    def __init__(self, loop):
        self.loop, self.lines, self.problem = loop, [], None
        self.tasks, self.frames, self.trees = {}, {}, []  # tasks by root, frames by address
        self.parts = []
        try:
            for root in loop.roots():
                self.trees.append([])
                self.gather(root, self.trees[-1])
        except (RuntimeError, LookupError, TypeError) as error:
            self.problem = f"The rest cannot be read: {error}"
        self.numbers = {part.number: part for part in self.parts if part.number}

    def gather(self, root, tree):
        """The frames of a task in preorder, with its parts; each task of a group in it is a task of its own."""
        stack = [(int(root["top_"]), None)]
        while stack:
            address, parent = stack.pop()
            if address in self.frames:
                continue  # memory is corrupt
            reports_to = int(self.loop.frame(address)["reports_to"])
            is_top = parent is None or self.is_a(reports_to, "root")
            is_part = is_top or self.is_a(reports_to, "branch")
            part = Part(self.loop.root(reports_to), None if is_top else parent.part) if is_part else parent.part
            if is_top:
                self.tasks[reports_to] = part
            if is_part and parent:
                parent.part.waits.append((part, parent, None))
            frame = Frame(self.loop, address, part, parent, is_top)
            if is_part:
                part.top = frame
                self.parts.append(part)
            self.frames[address] = frame
            tree.append(frame)
            stack.extend((child, frame) for child in reversed(frame.children))

    def is_a(self, owner, base):
        _, type = class_of(owner)
        return type is not None and Object(owner, type).is_a(self.loop.namespace + base)

    def holder(self, numbers):
        """The part that took it, or the task to which it may have passed that on; None: that has ended, too."""
        task, part = numbers
        return self.numbers.get(part) or self.numbers.get(task)

    def text(self):
        loop, thread = self.loop, self.loop.thread
        where = f"thread {thread.num} (LWP {thread.ptid[1] or thread.ptid[0]}): " if thread else ""
        self.lines.append(f"rondo: {where}{len(self.tasks)} tasks, {len(loop.timers)} timers")
        if not loop.is_now_live:
            since = seconds((loop.now - loop.made_at) // MILLISECOND)
            self.lines.append(f"Times are those of the loop's last look at the clock, {since} after it was made.")
        for tree in self.trees:
            if tree:
                self.tell_tree(tree)
        if self.problem:
            self.lines.append(self.problem)
        self.tell_circles()
        return "".join(line + "\n" for line in self.lines)

    def tell_tree(self, tree):
        self.lines.append("  " + tree[0].part.task_name)
        depths = {}
        for frame in tree:
            above = depths[frame.parent] if frame.parent else 1
            depths[frame] = above if frame.is_skipped() else min(above + 1, DEEPEST)
            if not frame.is_skipped():
                name = frame.part.task_name + ": " if frame.is_top and frame.parent else ""
                self.tell(frame, depths[frame], name)

    def tell(self, frame, depth, name):
        indent = "  " * depth
        start = indent + name + (frame.place + ": " if frame.place else "")
        if frame.problem or frame.state != "waits":
            self.lines.append(start + (frame.problem or frame.state))
            return
        if frame.place:
            start += coroutine_name(frame.function) + " waits for "
        self.lines.append(start + self.wait_text(frame.waits[0]) + self.state_text(frame))
        for operand in frame.waits[1:]:
            self.lines.append("  " + indent + self.wait_text(operand))

    def state_text(self, frame):
        if frame.is_ready:
            return ", which has come: ready"
        first_child = self.frames.get(frame.children[0]) if frame.children else None
        waits_for_task = first_child is not None and not first_child.is_top
        elapsed = ((self.loop.now - self.loop.made_at) // MILLISECOND - frame.since) % 2**32
        return "" if waits_for_task or elapsed == 0 else ", for " + seconds(elapsed)

    def wait_text(self, wait):
        text = wait.what
        if wait.due is not None:
            text += ", due in " + seconds(max(0, -(-(wait.due - self.loop.now) // MILLISECOND)))
        if wait.on in self.tasks:
            text += " of " + self.tasks[wait.on].name(self.frames)
        for nth, numbers in enumerate(wait.holders[:MOST_HOLDERS]):
            part = self.holder(numbers)
            text += " and " if nth else ", held by "
            text += part.name(self.frames) if part else "a task that has ended" if numbers[0] else "somebody"
        return text + (" and others" if len(wait.holders) > MOST_HOLDERS else "")

    # --- Circles of tasks that wait for one another ---

    def find_waits(self):
        for frame in self.frames.values():
            if frame.state != "waits" or frame.problem or frame.is_ready:
                continue
            for wait in frame.waits:
                for part in filter(None, map(self.holder, wait.holders)):
                    frame.part.depend(part, frame, wait.what)
                if wait.on in self.tasks:
                    frame.part.depend(self.tasks[wait.on], frame, None)

    def circles(self):
        self.find_waits()
        seen, on_path = set(), set()
        for start in self.parts:
            if start in seen:
                continue
            seen.add(start)
            on_path.add(start)
            path = [(start, iter(start.waits))]
            taken = []  # the wait that led from each to the next
            while path:
                part, waits = path[-1]
                wait = next(waits, None)
                if wait is None:
                    on_path.discard(part)
                    path.pop()
                    del taken[-1:]
                elif wait[0] in on_path:
                    first = [p for p, _ in path].index(wait[0])
                    yield list(zip([p for p, _ in path[first:]], taken[first:] + [wait]))
                elif wait[0] not in seen:
                    seen.add(wait[0])
                    on_path.add(wait[0])
                    taken.append(wait)
                    path.append((wait[0], iter(wait[0].waits)))

    def tell_circles(self):
        found = list(self.circles())
        for circle in found[:MOST_CIRCLES]:
            self.lines.append("These wait for one another:")
            for part, (on, frame, what) in circle:
                name = on.name(self.frames)
                held = f"{what}, which is held by {name}" if what else f"{name} to end"
                self.lines.append(f"  {part.name(self.frames)} waits for {held} ({frame.nearest_place()})")
        if len(found) > MOST_CIRCLES:
            self.lines.append(f"and {len(found) - MOST_CIRCLES} more circles")


# --- The command ---


class InCplusplus:
    """The names of C++ are looked up as such, also where the program has stopped in C."""

    def __enter__(self):
        self.language = gdb.parameter("language")
        gdb.execute("set language c++", to_string=True)

    def __exit__(self, *_):
        gdb.execute("set language " + self.language, to_string=True)


def has_debug_information():
    for abi in ABIS:
        try:
            gdb.lookup_type(f"rondo::{abi}::detail::engine").fields()
            return True
        except (gdb.error, TypeError):
            pass
    return False


def loop_of(expression):
    try:
        value = gdb.parse_and_eval(expression)
        while value.type.strip_typedefs().code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
            value = value.referenced_value()
        engine = Object(int(value.address), value.type)["engine_"].address
    except (LookupError, TypeError):
        raise gdb.GdbError(f"rondo-dump: {expression} is no event_loop") from None
    except gdb.error as error:
        raise gdb.GdbError(f"rondo-dump: {error}") from None
    if not is_engine(engine):
        raise gdb.GdbError(f"rondo-dump: at {expression} there is no event_loop (any more)")
    return Loop(engine, None)


class Dump(gdb.Command):
    """What all tasks of rondo's event loops wait for: rondo-dump [LOOP]

Without an argument: of every loop that runs on some thread. LOOP is an expression for an event_loop."""

    def __init__(self):
        super().__init__("rondo-dump", gdb.COMMAND_STATUS, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        classes.clear()
        if gdb.selected_thread() is None:
            raise gdb.GdbError("rondo-dump: there is neither a process nor a core to look at: gdb PROGRAM CORE, or gdb -p PID")
        with InCplusplus():
            if not has_debug_information():
                raise gdb.GdbError("rondo-dump: this program has no debug information on rondo's event loop: "
                                   "it was built without -g (or with -g1), or stripped, or does not use it")
            loops = [loop_of(argument)] if argument else find_loops()
            if not loops:
                raise gdb.GdbError("rondo-dump: no thread is inside a loop; one that is polled can be named: rondo-dump LOOP")
            gdb.write("\n".join(Report(loop).text() for loop in loops))


Dump()
