# Runs a program on a terminal: sys.argv has it, and stdin a list of prompts and answers.
import json, os, pty, sys, termios, time

dialogue = json.load(sys.stdin)
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
shown = b""
at = 0
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:  # The program has closed its end.
        part = b""
    if not part:
        break
    shown += part
    while dialogue and dialogue[0][0].encode() in shown[at:]:
        prompt, answer = dialogue.pop(0)
        at = shown.index(prompt.encode(), at) + len(prompt.encode())
        until = time.monotonic() + 30
        while termios.tcgetattr(terminal)[3] & termios.ECHO and time.monotonic() < until:
            time.sleep(0.01)
        os.write(terminal, answer.encode() + b"\n")
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
