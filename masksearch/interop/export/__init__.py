"""Trajectories as the training data of other trainers: TRL, LLaMA-Factory and verl. What carries loss here carries it there.

    masksearch export trajectories.jsonl --to trl --model base -o rows.parquet

| target, shape         | a row                                               | loss                                                            |
| --------------------- | --------------------------------------------------- | --------------------------------------------------------------- |
| trl, tokens           | `input_ids`, `labels`: the rows that `sft` trains on | the labels; nothing is rendered again                           |
| trl, messages         | `messages`                                          | `assistant_only_loss=True`, a template with `{% generation %}`  |
| trl, completions      | `prompt`, `completion`: one row a model turn        | on the completion, by default and with any template             |
| llamafactory, tags    | `conversations`, `system`                           | on `gpt`, never on `observation`                                |
| llamafactory, calls   | the same with `function_call`, and `tools`          | on `gpt` and `function_call`                                    |
| verl, messages        | `messages`                                          | on assistant messages                                           |
| verl, of tasks        | `prompt`, `reward_model`, `extra_info`, ...         | reinforcement learning: `export/verl_reward.py` scores it       |

Only `tokens` loses nothing: a rollout of ours goes on inside one assistant message, so that a model turn that searches has no end of message
behind it, and each stretch is tokenised by itself. All other shapes are chats of several messages, as the agent loop asks a model behind an
endpoint: what they are trained on is what they will be shown there (`openai:NAME`), and each model turn ends with the template's end of message.
"""
