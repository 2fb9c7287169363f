from tests.one_thread import one_thread
