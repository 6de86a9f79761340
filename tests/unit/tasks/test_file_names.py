"""What the files of a task are called where they are downloaded."""

from receiver.tasks.model.file_names import file_names
from submitter.model import Output


def test_names_tell_the_task_what_it_is_and_which_one_of_several() -> None:
    outputs = (
        Output(url="https://cdn.example/a/b.webm?Expires=1"),
        Output(url="https://cdn.example/content"),
        Output(url="https://cdn.example/x.jpg", type="first_frame"),
        Output(url="https://cdn.example/..", type="../../etc"),
    )
    assert file_names("tsk_1", outputs) == (
        "tsk_1-video-1.webm",
        "tsk_1-video-2.mp4",
        "tsk_1-first-frame.jpg",
        "tsk_1-etc.bin",
    )
