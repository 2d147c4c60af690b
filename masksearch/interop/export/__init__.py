"""Exports trajectories as training data for other trainers: TRL, LLaMA-Factory and verl.

In the exported rows the same text carries loss as in our own training (`masksearch sft`).

    masksearch export trajectories.jsonl --to trl --model base -o rows.parquet

| target, shape       | columns of a row                       | text with loss                   |
| ------------------- | -------------------------------------- | -------------------------------- |
| trl, tokens         | `input_ids`, `labels`, as in `sft`     | the labels                       |
| trl, messages       | `messages`                             | with `assistant_only_loss=True`  |
| trl, completions    | `prompt`, `completion` per model turn  | the completion                   |
| llamafactory, tags  | `conversations`, `system`              | `gpt`, never `observation`       |
| llamafactory, calls | `conversations`, `system`, `tools`     | `gpt` and `function_call`        |
| verl, messages      | `messages`                             | assistant messages               |
| verl, of tasks      | `prompt`, `reward_model`, `extra_info` | RL with `verl_reward.py`         |

Only `tokens` gives exactly the token sequences of our rollouts, because no chat template is applied. There,
all turns are part of one assistant message, so a model turn that searches is not followed by an end of
message. The turns of the model and the tool's texts are tokenised separately.

The other shapes are chats of several messages, as the agent loop sends them to a model behind an endpoint
(`openai:NAME`), and each model turn ends with the template's end of message. Use them for a model that will
run behind such an endpoint. TRL's `messages` need a template with `{% generation %}`; `completions` work with
any template.
"""
