"""Exports trajectories as training data for other trainers: TRL, LLaMA-Factory and verl.

The exported rows put the loss on the same text as our own training.

    masksearch export trajectories.jsonl --to trl --model base -o rows.parquet

| target, shape       | a row                                  | loss                             |
| ------------------- | -------------------------------------- | -------------------------------- |
| trl, tokens         | `input_ids`, `labels`, as in `sft`     | the labels                       |
| trl, messages       | `messages`                             | with `assistant_only_loss=True`  |
| trl, completions    | `prompt`, `completion` per model turn  | the completion                   |
| llamafactory, tags  | `conversations`, `system`              | `gpt`, never `observation`       |
| llamafactory, calls | `conversations`, `system`, `tools`     | `gpt` and `function_call`        |
| verl, messages      | `messages`                             | assistant messages               |
| verl, of tasks      | `prompt`, `reward_model`, `extra_info` | RL with `verl_reward.py`         |

Only `tokens` is exact: no template is applied. In our rollouts all turns are part of one assistant
message, so a model turn that searches has no end of message after it, and each stretch is tokenised
separately. The other shapes are chats of several messages, as the agent loop sends them to a model behind
an endpoint (`openai:NAME`): the model is trained on the same chats, and each model turn ends with the
template's end of message. TRL's `messages` need a template with `{% generation %}`; `completions` work
with any template.
"""
