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


def in_fork(do, question):
    """What `do` returns, done by a process of its own; or why it fails."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            answer = do(question)
        except BaseException as error:  # whatever it is, it is the answer
            answer = {"refused": f"{type(error).__name__}: {error}"}
        with os.fdopen(writer, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = json.load(pipe)
    os.waitpid(pid, 0)
    return answer


def answer(question):
    os.chdir(os.path.join(question["directory"], "cwd"))
    sources = []
    for source in question["sources"]:
        sources += ["-i", source]
    inventory = InventoryManager(DataLoader(), question["sources"])
    return {
        "list": run(*sources, "--list"),
        "graph": run(*sources, "--graph"),
        "selected": [
            "".join(f"{host.name}\n" for host in inventory.get_hosts(pattern))
            for pattern in question["patterns"]
        ],
    }


with open(sys.argv[1]) as file:
    answers = [in_fork(answer, question) for question in json.load(file)]
json.dump(answers, sys.stdout)
