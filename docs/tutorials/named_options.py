# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # From zero to named options on your own task
#
# You have an environment of your own, and want an agent whose parts have names: which of them runs, when does it end, and which one is to blame when it fails? This takes half a minute to run: `python named_options.py`, in a folder where `courier.py` lies beside it.
#
# ## Your task
#
# Anything with Gymnasium's interface does ([environments](../environments.md)). Here a courier fetches a parcel and takes it to a door. The environment, and what we say of its two options, are in a file of their own, so that the command line finds them, too:
#
# [courier.py](courier.py)
#
# An option is a name and, of what it is for, as much as you know. *deliver* may run only with the parcel (`interest`). Of *fetch* nothing is said but what it sees: it may run everywhere, and that it should end once the parcel is carried is for its termination to learn. What each does is learned, too. Each sees only what matters to it ([all that may be said](../options.md)).
#
# ## Train
#
# A run folder keeps all of it. Twenty episodes are judged every 4,096 steps, and it stops when it is solved. That comes at once: judged is what is likeliest, so *fetch* ends where its termination is above one half, and before it gets there nothing is delivered.

# %%
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from courier import Courier

import option_critic as oc
from option_critic.callbacks import StopWhenSolved
from option_critic.skills.export import skill_of

BUDGET = 24_576  # steps, at most

agent = oc.OptionCritic(
    Courier,
    options_from="courier:OPTIONS",
    num_envs=8,
    rollout_length=128,
    lr_termination=5e-3,  # seven times the usual: there is little time
    evaluate_every=4_096,
    env_workers="never",  # so small a task needs one process
    torch_threads=1,
    seed=0,
)


def tell(agent, metrics):
    if "eval/success_any_rate" in metrics:
        print(f"{agent.num_timesteps:6,} steps: {metrics['eval/success_any_rate']:.0%} delivered,", end=" ")
        print(f"in {metrics['eval/mean_ep_length']:.1f} steps")


agent.learn(BUDGET, callback=[tell, StopWhenSolved(0.95, times=2)], run_folder="runs/courier/seed-0", overwrite=True)

# %% [markdown]
# ## Use it
#
# `predict` hands back the running option with each action; pass it on to the next call.

# %%
env = Courier()
(obs, _), state, over, names = env.reset(seed=7), None, False, []
while not over:
    action, state = agent.predict(obs, state, deterministic=True)
    obs, reward, delivered, late, _ = env.step(action)
    names.append(state.option_name)
    over = delivered or late
print(*names)
assert delivered, "the parcel was not delivered"
assert names[0] == "fetch" and names[-1] == "deliver"

# %% [markdown]
# ## Which option does what, and which one failed
#
# From the command line (the environment is named, as a run's folder imports nothing):


# %%
def option_critic(*words):
    """The command `option-critic`."""
    done = subprocess.run([sys.executable, "-m", "option_critic", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


run = ("runs/courier/seed-0", "--env", "courier:Courier", "--options-from", "courier:OPTIONS", "--episodes", "20")
print(option_critic("evaluate", *run))
print(option_critic("diagnose", *run))

# %% [markdown]
# `evaluate` ends with the median episode, a letter a step. In the tables of `diagnose`, *share* is the part of the steps in which an option ran. *ends learned*: nobody said when *fetch* ends, its termination found out. The second table takes options away: alone neither does it, and with *no learned end* the parcel is never delivered: *fetch* goes on for ever. So both are needed, and the end as well. Had it gone on succeeding *without fetch*, *fetch* would be a name for nothing; had an option a share near 0, it would never have begun ([how options fail, how to see it, what to do](../options.md#how-options-fail-how-to-see-it-what-to-do)).

# %%
found = json.loads(Path("runs/courier/seed-0/diagnosis.json").read_text())
success = {name: figures["any"]["value"] for name, figures in found["ablations"].items()}
assert success["as learned"] >= 0.9, "it is not solved"
assert min(option["share"] for option in found["diagnosis"]["options"]) > 0.2, "an option hardly runs"
assert found["diagnosis"]["learned_ends"] > 0, "no end is learned"
assert max(success["fetch alone"], success["deliver alone"]) < 0.5, "an option is not needed"
assert success["no learned end"] < 0.5, "the learned end is not needed"

# %% [markdown]
# ## See it
#
# One page that opens from disk: learning curves, and each episode as a strip of its options, with the ends that were learned (in colour) and forced. Click a moment, and it says what ran and why it ended ([more](../report.md)).

# %%
print(option_critic("report", *run[:3]).splitlines()[0])

# %% [markdown]
# ## Take an option along
#
# *deliver* as a [skill](../skills.md): a folder that needs neither the agent nor the environment any more. It goes to the door:

# %%
skill_of(agent, "deliver").save("skills/deliver")
deliver = oc.Skill.load("skills/deliver", options_from="courier:OPTIONS")
for door in ([0.9, 0.0], [0.0, 0.9], [-0.9, 0.0]):
    obs = np.array([0, 0, 0, 0, *door, 1], np.float32)  # in the middle, with the parcel
    action = deliver.act(obs)
    print(door, action.round(1))
    assert action @ door > 0, "it does not go to the door"

# %% [markdown]
# Next: [a planner over skills](planner_over_skills.py), or the same [on a robot's arm](../start.md).
