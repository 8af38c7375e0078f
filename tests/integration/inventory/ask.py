"""Asks ansible-core's own command what it makes of inventories.

The argument is a file with a list of {directory, sources, patterns} in JSON; the
answer is a list of {list, graph, selected}, or of {refused}. One process answers
all, each in a fork of its own, for Ansible keeps what it has read.
"""

import contextlib
import io
import json
import os
import sys

from ansible import context
from ansible.cli.inventory import InventoryCLI
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader


def run(*args):
    """The standard output of `ansible-inventory ARGS`."""
    context.CLIARGS = context.CLIArgs({})
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            InventoryCLI(["ansible-inventory", *args]).run()
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"exit code {end.code}") from end
    return out.getvalue()


def start(do, question):
    """A process of its own that does `do`: what it says can be read from the file."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            os.chdir(os.path.join(question["directory"], "cwd"))
            answer = do(question)
        except BaseException as error:  # whatever it is, it is the answer
            answer = {"refused": f"{type(error).__name__}: {error}"}
        with os.fdopen(writer, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writer)
    return pid, os.fdopen(reader)


def in_forks(do, questions):
    """What `do` makes of each question, a few at a time."""
    answers, running = [], []
    for question in [*questions, *[None] * AT_ONCE]:
        if len(running) == AT_ONCE or (question is None and running):
            pid, pipe = running.pop(0)
            with pipe:
                answers.append(json.load(pipe))
            os.waitpid(pid, 0)
        if question is not None:
            running.append(start(do, question))
    return answers


def sources(question):
    return [arg for source in question["sources"] for arg in ("-i", source)]


def listed(question):
    return {"list": run(*sources(question), "--list")}


def drawn(question):
    inventory = InventoryManager(DataLoader(), question["sources"])
    selected = [
        "".join(f"{host.name}\n" for host in inventory.get_hosts(pattern))
        for pattern in question["patterns"]
    ]
    return {"graph": run(*sources(question), "--graph"), "selected": selected}


AT_ONCE = 4
with open(sys.argv[1]) as file:
    questions = json.load(file)
answers = [a | b for a, b in zip(in_forks(listed, questions), in_forks(drawn, questions))]
json.dump(answers, sys.stdout)
