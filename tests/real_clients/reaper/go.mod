module sockerless.example/real_clients/reaper

go 1.25
