"""Exports trajectories as training data for other trainers: TRL, LLaMA-Factory and verl.

Text that carries loss here carries loss there.

    masksearch export trajectories.jsonl --to trl --model base -o rows.parquet

| target, shape      | a row                                  | loss
| | ------------------ | -------------------------------------- |
------------------------------------------------------- | | trl, tokens        | `input_ids`, `labels`:
rows of `sft`   | the labels; no template is applied                      | | trl, messages      |
`messages`                             | `assistant_only_loss=True`, template with `generation`  | | trl,
completions   | `prompt`, `completion` per model turn  | the completion, with any template
| | llamafactory, tags | `conversations`, `system`              | `gpt`, never `observation`
| | llamafactory, calls| the same and `tools`                   | `gpt` and `function_call`
| | verl, messages     | `messages`                             | assistant messages
| | verl, of tasks     | `prompt`, `reward_model`, `extra_info` | RL: `verl_reward.py` scores the rollout
|

Only `tokens` is exact. In our rollouts all turns are part of one assistant message: a model turn that
searches has no end of message after it, and each stretch is tokenised separately. The other shapes are
chats of several messages, as the agent loop sends them to a model behind an endpoint (`openai:NAME`): the
model is trained on what it will see there, and each model turn ends with the template's end of message.
"""
